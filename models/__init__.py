"""Models: what a person's history says of what they will do, one model a file; its name is the score's."""
