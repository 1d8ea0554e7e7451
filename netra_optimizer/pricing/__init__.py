"""What a call costs: the price of its day, of its tier, of each bucket of tokens."""

from netra_optimizer.pricing.custom import BadPrice, CustomPrice
from netra_optimizer.pricing.names import ModelKey
from netra_optimizer.pricing.table import PriceTable, Rates
from netra_optimizer.pricing.tiers import TIER_CONTEXTS, context_of
from netra_optimizer.pricing.units import BUCKET_UNITS, RATE_COLUMNS, usage_of

__all__ = [
    "BUCKET_UNITS",
    "RATE_COLUMNS",
    "TIER_CONTEXTS",
    "BadPrice",
    "CustomPrice",
    "ModelKey",
    "PriceTable",
    "Rates",
    "context_of",
    "usage_of",
]
