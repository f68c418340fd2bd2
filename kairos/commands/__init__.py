"""Commands of `kairos`, one a file; the file's name is the command."""
