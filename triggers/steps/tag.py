"""Put words on the person: the trait `tags`, a list that `tags contains WORD` asks."""

from triggers.emitting import Said, Saying
from triggers.loading.building import Building, Place
from triggers.runtime import trait
from triggers.schema import Names, Strict
from triggers.steps.base import Step, Turn

SIGNATURE = "tag: WORD or [WORD, ...]"
EXAMPLE = "- tag: came_by_newsletter"
MOST = 100  # tags of a person; the latest stay


class Shape(Strict):
    """`tag`."""

    tag: Names


class Tag(Saying, frozen=True):
    """See the module."""

    words: tuple[str, ...]

    def said(self, turn: Turn) -> Said:
        """State all tags, these the last."""
        known = trait(turn.person.view.traits, "tags")
        before = (
            [word for word in known if word not in self.words] if isinstance(known, list) else []
        )
        return Said("traits_set", {}, {"tags": [*before, *self.words][-MOST:]})


def build(building: Building, place: Place, written: Shape) -> Step:
    """Build it."""
    words = [written.tag] if isinstance(written.tag, str) else written.tag
    if not all(words):
        building.say((*place.path, "tag"), "a word was expected, found nothing")
    return Tag(at=place.at, next=place.next, words=tuple(dict.fromkeys(words)))
