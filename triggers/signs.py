"""Signs before names that are ours beside a marketer's; theirs begin with none of them."""

CALENDAR = "@"  # a trigger whose next instant stands with a person
CROSSING = "~"  # a trigger: the segment of those who are beyond what it `crosses`
