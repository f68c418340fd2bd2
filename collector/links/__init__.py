"""What links in messages lead to: pages for people, and redirects."""
