"""What a tag's name says: its words, the data it was measured on, the quantity, and the layer."""
