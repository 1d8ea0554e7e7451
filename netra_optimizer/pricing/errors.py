"""What pricing refuses."""

from netra_optimizer.errors import PricingError


class NoPriceError(PricingError):
    """Not one call has a price."""

    code = "OPT-204"
