"""Addresses in normal form, one kind a file; the file's name is the trait that holds one."""
