"""What is wrong with an installation, in words: one file an area, each a list of findings."""
