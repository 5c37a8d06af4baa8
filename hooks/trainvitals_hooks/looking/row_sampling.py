"""A few rows of an output: what its units, or classes, put out for a few examples and positions."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Size, Tensor


@dataclass(frozen=True, slots=True)
class RowSampling:
    """How to pick rows from outputs of one shape.

    Args:
        unit_axis: the axis along which the units lie; along all others lie rows.
        picked: one slice an axis, so that the sample is a view, whatever the layout.
        rows, units: of the sample.
    """

    shape: Size
    unit_axis: int
    picked: tuple[slice, ...]
    rows: int
    units: int

    @classmethod
    def of(cls, output: Tensor, unit_axis: int, most_rows: int, most_units: int) -> RowSampling:
        """The sampling for outputs like this one, of two or more axes and not empty; the first axes are spread most."""
        unit_axis %= output.ndim
        picked, rows, units = [], 1, 0
        for axis, size in enumerate(output.shape):
            if axis == unit_axis:
                # Neighbours: they mostly lie side by side in memory.
                units = min(size, most_units)
                picked.append(slice((size - units) // 2, (size + units) // 2))
            else:
                count = min(size, most_rows // rows)
                rows *= count
                picked.append(_spread(size, count))
        return cls(output.shape, unit_axis, tuple(picked), rows, units)

    def of_tensor(self, output: Tensor) -> Tensor:
        """``[rows, units]``, without a gradient; a view or a small copy."""
        sample = output.detach()[self.picked]
        if sample.ndim == 2 and self.unit_axis == 1:
            return sample
        return sample.movedim(self.unit_axis, -1).flatten(0, -2)


def _spread(size: int, count: int) -> slice:
    """So many places of an axis, evenly spread around its middle.

    The step is odd: an even one meets the patterns of even length that images and batches are full of.
    """
    step = size // count
    if step > 1 and step % 2 == 0:
        step -= 1
    reach = (count - 1) * step + 1
    first = (size - reach) // 2
    return slice(first, first + reach, step)
