"""A finding on a page: its card, accepting it, what becomes of it."""
