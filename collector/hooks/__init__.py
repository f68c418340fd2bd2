"""Webhooks of other systems."""
