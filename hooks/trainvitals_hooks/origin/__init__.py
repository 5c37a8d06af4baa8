"""Where the first NaN or infinity of a training came from."""
