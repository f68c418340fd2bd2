"""First copies of events, by which later ones are known: the newest in memory, the rest on disk."""
