"""Rules about updates: whether every parameter is trained, and from which start."""
