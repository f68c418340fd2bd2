"""Words by which somebody who is written to on their telephone says that it is to end.

Those that carriers know (CTIA, Messaging Principles and Best Practices, 2023; the rule of the FCC
of 2024 adds "opt out" and "revoke"), and the same in other languages. One is a whole message: in
"stop by the shop" nobody leaves.
"""

import re
import unicodedata

# English; German; French; Spanish and Portuguese; Italian; Dutch.
_WORDS = {
    "stop", "stopall", "stop-all", "unsubscribe", "cancel", "end", "quit", "optout", "opt-out", "revoke",
    "stopp", "abmelden", "abbestellen",
    "arret", "arreter", "desabonner",
    "baja", "parar", "cancelar", "sair",
    "annulla", "basta", "disiscrivi",
    "afmelden",
}  # fmt: skip
_BLANK = re.compile(r"\s+")


def leaves(text: object) -> bool:
    """Say whether a message is such a word, however it is written.

    >>> leaves(" STOP! "), leaves("Opt out"), leaves("Arrêt"), leaves("stop by the shop"), leaves(None)
    (True, True, True, False, False)
    """
    if not isinstance(text, str) or len(text) > 40:
        return False
    plain = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
    return _BLANK.sub("-", plain.strip(" \t\r\n.!\"'")) in _WORDS
