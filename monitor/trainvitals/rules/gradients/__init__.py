"""Whether the gradient reaches every layer, and in a size that can be used."""
