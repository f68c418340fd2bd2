"""Whom an id may mean: an identifier with or without its type, or a person's own id."""

from events.addresses.base import kinds

KINDS = ("user_id", "anonymous_id", "email", "phone")


def candidates(text: str) -> list[str]:
    """List what an id may stand for in the ledger's index.

    >>> candidates("user_id:u1"), candidates("p_88947be4fb3cb43bfbd6")
    (['user_id:u1'], ['p_88947be4fb3cb43bfbd6'])
    >>> candidates("Ana@Shop.example")
    ['user_id:Ana@Shop.example', 'anonymous_id:Ana@Shop.example', 'email:ana@shop.example']
    """
    kind, _, value = text.partition(":")
    if value and kind in KINDS:
        normal = kinds().get(kind)
        return [f"{kind}:{(normal(value) if normal else '') or value}"]
    if text.startswith("p_") and len(text) == 22:
        return [text]
    found = [f"user_id:{text}", f"anonymous_id:{text}"]
    found += [f"{kind}:{a}" for kind, normal in kinds().items() if (a := normal(text))]
    return found
