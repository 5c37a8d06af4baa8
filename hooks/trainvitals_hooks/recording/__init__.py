"""From what was measured at a step to a record in the event file: which step, when, and at what cost."""
