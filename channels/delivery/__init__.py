"""The activation worker: takes what was decided, asks once more, and hands it to a channel."""
