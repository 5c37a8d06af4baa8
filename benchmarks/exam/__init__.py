"""The exam: faults with one injected cause beside the same training without it, and healthy runs that tempt."""
