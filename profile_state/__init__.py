"""Profile state: identifiers to people, facts on leaves, and the stores that keep them."""
