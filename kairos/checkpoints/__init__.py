"""Making checkpoints: a snapshot of the ledger, a server of our own that reads it, a file."""
