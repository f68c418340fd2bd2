"""Events and the log that carries them."""
