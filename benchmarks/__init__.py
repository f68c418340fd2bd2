"""Benchmarks: one question a file, with the last answer and the machine beside it."""
