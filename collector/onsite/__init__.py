"""What is shown on the website: kept until a browser has shown it, and streamed to it."""
