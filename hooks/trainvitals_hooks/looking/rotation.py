"""Some layers a record, in turn, where all of them at once would cost too much."""

from __future__ import annotations

from itertools import count

AT_ONCE = 4
"""Layers a record. A network of that many layers is seen whole each time, one of 40 after ten records: these are
measurements of states that last for hundreds of steps, and more at once would cost more than all the rest."""


class Rotation:
    """Goes around the layers; those of one turn lie evenly over the depth of the network.

    Args:
        layers: how many there are.
    """

    def __init__(self, layers: int) -> None:
        self._layers = layers
        self._turns = -(-layers // AT_ONCE) or 1
        self._turn = count()

    def next(self) -> range:
        """The layers whose turn it is."""
        return range(next(self._turn) % self._turns, self._layers, self._turns)
