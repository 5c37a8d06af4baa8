"""The units of a layer: where they are heard, along which axis they stand, and what is kept of them."""
