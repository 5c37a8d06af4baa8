"""Rules about numbers that leave the range of their format."""
