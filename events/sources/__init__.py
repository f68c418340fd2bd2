"""Implementations of the log, one a file; the file's name is the scheme in a log URL."""
