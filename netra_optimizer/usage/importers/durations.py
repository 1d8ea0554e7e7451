"""Durations whose column does not say in what they are: seconds, milliseconds or nanoseconds.

Told apart by their size: no call takes a thousand seconds, none is stated as a whole hundred of
them, and none takes a day in milliseconds. A name that says its unit is believed.
"""

from typing import Final

import numpy as np

from netra_optimizer.usage.columns import Float64
from netra_optimizer.usage.importers.values import number, positive

_WHOLE_MS: Final = 100
"""A whole number at least this large counts milliseconds."""
_ANY_MS: Final = 1_000
_NS: Final = 1e8


def duration_ms(value: object) -> float | None:
    """Milliseconds of a duration without a unit; None where there is none."""
    said = positive(value)
    if said is None:
        return None
    if said >= _NS:
        return said / 1e6
    if said >= _ANY_MS or (said >= _WHOLE_MS and said.is_integer()):
        return said
    return number(said * 1000)


def durations_ms(values: Float64) -> Float64:
    """The same of a column; nan stays nan."""
    whole = (values >= _WHOLE_MS) & (values == np.floor(values))
    in_ms = np.where((values >= _ANY_MS) | whole, values, values * 1000)
    return np.where(values >= _NS, values / 1e6, in_ms)
