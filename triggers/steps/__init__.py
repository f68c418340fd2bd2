"""Steps of a journey, one a file; the file's name, without a `_` at its end, is the step's word."""
