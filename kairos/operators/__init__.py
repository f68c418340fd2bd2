"""What an operator says: two are one, they are not, a dead letter is done with.

Each word is a record of the engine's log. Before it is said, the real core can be asked in
memory what would come of it.
"""
