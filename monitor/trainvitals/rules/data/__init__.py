"""Rules about data, one a file."""
