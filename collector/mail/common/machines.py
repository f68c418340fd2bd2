"""Whether a machine opened or clicked, where the provider does not say.

Mail programs fetch images before anybody looks, and security gateways follow links before a
message is shown. What gives them away is who they say they are, and how fast they are.
"""

from typing import Literal

# Apple's Mail Privacy Protection fetches every image under this and nothing behind it; browsers
# always go on with a platform.
BARE_AGENT = "Mozilla/5.0"

# Gmail fetches images through a proxy, and again for others from what it kept. A person may be
# behind it or not, so such an open is no sign of one.
IMAGE_PROXY = "GoogleImageProxy"

# ms. Nobody finds, opens and reads a message within two seconds of its delivery. Also before it:
# gateways follow links while the message waits for their word.
TOO_SOON = 2_000

# Different links of one message, clicked within one second. A double click is one link twice, and
# the first click has put a browser in front of the message; so two are enough.
TOO_MANY = 2


def sign_of_a_machine(
    kind: Literal["opened", "clicked"], agent: str, since_delivery_ms: int | None, links: int = 1
) -> str:
    """Return what shows that a machine did it, `""` where nothing does: it may be a person.

    Args:
        kind: what was done.
        agent: the user agent as sent, `""` where there is none.
        since_delivery_ms: from delivery to this, by the provider's clock; None where unknown.
        links: how many different links of the message were clicked within one second of this.

    >>> sign_of_a_machine("opened", "Mozilla/5.0", None)
    'agent without a platform'
    >>> sign_of_a_machine("clicked", "Mozilla/5.0 (Macintosh)", 90_000, links=5)
    'several links within one second'
    >>> sign_of_a_machine("clicked", "Mozilla/5.0 (Macintosh)", 90_000)
    ''
    """
    if agent.strip() == BARE_AGENT:
        return "agent without a platform"
    if kind == "opened" and IMAGE_PROXY in agent:
        return "image proxy"
    if since_delivery_ms is not None and since_delivery_ms < TOO_SOON:
        return "within two seconds of delivery"
    if kind == "clicked" and links >= TOO_MANY:
        return "several links within one second"
    return ""
