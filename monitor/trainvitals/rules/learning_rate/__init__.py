"""Whether the learning rate fits the run."""
