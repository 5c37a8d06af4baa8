"""Which step of the training is being made, with one optimizer or several, and where the loop logs."""

from __future__ import annotations


class Steps:
    """Counts optimizer steps. A new one begins when an optimizer steps that has already stepped in this one.

    So a GAN's two optimizers make one step together, whichever comes first, and so do optimizers of single parameters
    that step inside the backward pass.

    Args:
        first: number of the first step.
    """

    def __init__(self, first: int = 0) -> None:
        self.current = first - 1
        self.made = 0
        self._stepped: set[int] = set()

    def begins_with(self, optimizer: int) -> bool:
        """Whether the next step of this optimizer (its identity) begins a new step of the training."""
        return not self._stepped or optimizer in self._stepped

    def make(self, optimizer: int) -> bool:
        """Count the step of one optimizer; whether it began a new step of the training."""
        new = self.begins_with(optimizer)
        if new:
            self.current += 1
            self.made += 1
            self._stepped.clear()
        self._stepped.add(optimizer)
        return new
