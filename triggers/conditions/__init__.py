"""Functions of the expression language, one a file; the file's name is the function's name."""
