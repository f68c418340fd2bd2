"""Random input; `scripts/fuzz SECONDS` runs it, in an environment of its own."""
