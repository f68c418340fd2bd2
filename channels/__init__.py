"""Channels: how a decided message leaves, one provider a file."""
