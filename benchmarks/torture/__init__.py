"""What kills and power cuts cost: the real processes under load, and books of our own."""
