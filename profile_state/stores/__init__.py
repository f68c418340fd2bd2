"""Ledgers: where people, identity, timers and offsets are durable."""
