"""The oracle: plain code of its own that says what must have come of what was accepted.

It imports the standard library and the description of the shop, nothing that it judges.
"""
