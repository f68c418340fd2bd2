"""Machinery of `triggers.load`: from files to definitions, one kind of file each."""
