"""Looking at a model without disturbing it: its modules, its parameters, samples of its tensors."""
