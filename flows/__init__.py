"""Dataflows: wiring only, and the one place that knows Bytewax."""
