"""Outcomes that were given but cannot prove anything about these calls: said, never passed over."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netra_optimizer import Outcomes, PriceTable


def unused_outcomes(
    outcomes: "Outcomes | None", models: Sequence[str], prices: "PriceTable"
) -> str | None:
    """A note when the outcomes score none of the models that answered; None when they do.

    Raises OutcomesError where what they score are no models at all: the file is another one.
    """
    from netra_optimizer.verify.outcomes import OutcomesError

    if outcomes is None:
        return None
    scored = {name: prices.resolve(name, "") for name in outcomes.models}
    used = {found.model for name in models if (found := prices.resolve(name, "")) is not None}
    if any(name in models or (found and found.model in used) for name, found in scored.items()):
        return None
    names = ", ".join(repr(name) for name in list(scored)[:4])
    if not any(scored.values()):
        raise OutcomesError(
            f"The outcomes score {names}, which are no models.",
            hint="Use CSV, JSON lines or Parquet with the columns item, model, score.",
        )
    ran = ", ".join(list(models)[:4])
    return f"The outcomes score {names}, but these calls ran on {ran}: they prove nothing here."
