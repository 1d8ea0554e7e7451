"""How sure a figure is: intervals, shares of a joint saving, tests on paired outcomes."""

from netra_optimizer.verify.bootstrap import Blocks, bootstrap_interval
from netra_optimizer.verify.noninferiority import NonInferiority, non_inferiority, sample_size
from netra_optimizer.verify.outcomes import Outcomes, Paired
from netra_optimizer.verify.shapley import shapley_values, to_cents

__all__ = [
    "Blocks",
    "NonInferiority",
    "Outcomes",
    "Paired",
    "bootstrap_interval",
    "non_inferiority",
    "sample_size",
    "shapley_values",
    "to_cents",
]
