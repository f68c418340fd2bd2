"""Languages: which files of a template a person may be sent, by what is known of their language.

A tag is written in the name of a file in lower case, as BCP 47 has it: `de`, `pt-br`, `zh-hant`.
"""

import re
from collections.abc import Mapping
from typing import Any

TRAITS = ("language", "locale")  # the first that is a tag counts; the browser's word is `locale`

# Those with two letters are ISO 639's, those with three the ones of which Unicode's CLDR knows how
# they are written. A list, so that `welcome.dee.liquid` is a mistake that somebody hears of; without
# Skolt Sami, whose tag `sms` is the name of a channel.
_CODES = """
aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da
de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz
ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln
lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi
pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti
tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
agq ann apc arn asa ast bal bas bem bew bez bgc bgn bho blo blt brx bss byn cad cch ccp ceb cgg
cho chr cic ckb cop csw dav dje doi dsb dua dyo ebu ewo fil frr fur gaa gez gsw guz haw hnj hsb
jbo jgo jmc kaa kab kaj kam kcg kde kea ken kgp khq kkj kln kok kpe ksb ksf ksh kxv lag lij lkt
lld lmo lrc ltg luo luy mai mas mdf mer mfe mgh mgo mhn mic mni moh mua mus myv mzn naq nds nmg
nnh nqo nso nus nyn osa pap pcm pis prg quc raj rhg rif rof rwk sah saq sat sbp scn sdh seh ses
shi shn sid skr sma smj smn ssy syr szl teo tig tok tpi trv trw twq tyv tzm vai vec vmw vun wae
wal wbp xnr xog yav yrl yue zgh
"""
_KNOWN = frozenset(_CODES.split())
_OF_FILE = re.compile(r"([a-z]{2,3})(-[a-z]{4})?(-([a-z]{2}|[0-9]{3}))?")
_OF_PERSON = re.compile(r"([a-z]{2,3})(-[a-z0-9]{1,8}){0,5}")


def is_language(tag: str) -> bool:
    """Tell whether the name of a file may hold this as its language.

    >>> [is_language(tag) for tag in ("de", "pt-br", "zh-hant-tw", "pt-BR", "dee", "sms")]
    [True, True, True, False, False, False]
    """
    found = _OF_FILE.fullmatch(tag)
    return found is not None and found.group(1) in _KNOWN


def spoken(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the tags to look for, the most exact first; none where no language is known.

    What follows the language is left out piece by piece, from the end (RFC 4647, lookup).

    Args:
        facts: traits by their names.

    >>> spoken({"language": "pt-BR"}), spoken({"locale": "zh_Hant_TW"})
    (('pt-br', 'pt'), ('zh-hant-tw', 'zh-hant', 'zh'))
    >>> spoken({"language": "Deutsch", "locale": "de_DE.UTF-8"}), spoken({"language": 7})
    (('de-de', 'de'), ())
    """
    for trait in TRAITS:
        said = facts.get(trait)
        if not isinstance(said, str):
            continue
        tag = re.split(r"[.@]", said.strip()[:64], maxsplit=1)[0].replace("_", "-").lower()
        found = _OF_PERSON.fullmatch(tag)
        if found is not None and found.group(1) in _KNOWN:
            parts = tag.split("-")
            return tuple("-".join(parts[:n]) for n in range(len(parts), 0, -1))
    return ()
