"""What mail providers tell of our messages, one provider a file; its name is the word in settings and in the path."""
