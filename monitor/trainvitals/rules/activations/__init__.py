"""Rules on what the layers put out."""
