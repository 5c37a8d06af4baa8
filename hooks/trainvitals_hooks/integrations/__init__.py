"""Training frameworks, watched by their own means: one a module, loaded by whoever imports that module."""
