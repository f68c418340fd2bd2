"""Replay: events from a file, through the collector, with their own times."""
