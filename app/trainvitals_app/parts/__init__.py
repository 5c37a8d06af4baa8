"""Parts of pages: choosing runs and signals, a run in a line, what can be saved."""
