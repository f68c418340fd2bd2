"""What providers have in common: fields, passwords, freshness, and what a machine gives away."""
