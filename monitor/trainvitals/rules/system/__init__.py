"""Rules about system, one a file."""
