"""Triggers: the language that marketers write, and the core that decides by it."""
