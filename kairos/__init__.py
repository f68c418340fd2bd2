"""Kairos, the right moment: a real-time customer data platform engine."""

__version__ = "0.1.0"
