"""Rules about updates: whether every parameter is trained, from which start, and in steps of what size."""
