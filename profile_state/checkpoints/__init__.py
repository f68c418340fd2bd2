"""Checkpoints: a partition's ledger at one instant, in files that nobody changes."""
