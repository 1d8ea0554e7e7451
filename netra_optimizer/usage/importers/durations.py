"""Durations whose column does not say in what they are: seconds, milliseconds or nanoseconds.

Told apart by their size: no call takes a thousand seconds, and none a day in milliseconds. Between
a hundred and a thousand the output tells: no model writes five tokens a millisecond, and one that
writes less than five a second is not waited for so long. Where nothing was written, whole numbers
count milliseconds. A name that says its unit is believed.
"""

from typing import Final

import numpy as np

from netra_optimizer.usage.columns import Float64, Int64
from netra_optimizer.usage.importers.values import number, positive

_UNCLEAR: Final = 100
_MOST_A_MS: Final = 5
_ANY_MS: Final = 1_000
_NS: Final = 1e8


def duration_ms(value: object, outputs: int = 0) -> float | None:
    """Milliseconds of a duration without a unit, in which so many tokens came; None for none."""
    said = positive(value)
    if said is None:
        return None
    if said >= _NS:
        return said / 1e6
    slow = outputs < _MOST_A_MS * said if outputs else said.is_integer()
    if said >= _ANY_MS or (said >= _UNCLEAR and slow):
        return said
    return number(said * 1000)


def durations_ms(values: Float64, outputs: "Int64 | int") -> Float64:
    """The same of a column; nan stays nan."""
    slow = np.where(outputs, outputs < _MOST_A_MS * values, values == np.floor(values))
    in_ms = np.where((values >= _ANY_MS) | ((values >= _UNCLEAR) & slow), values, values * 1000)
    return np.where(values >= _NS, values / 1e6, in_ms)
