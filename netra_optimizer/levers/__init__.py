"""Ways to save, a file each: a lever looks at a segment's calls and proposes pure policies."""

from netra_optimizer.levers.base import Lever, LeverContext, Proposal, Segment
from netra_optimizer.levers.registry import ENTRY_POINT_GROUP, LeverRegistry, default_levers

__all__ = [
    "ENTRY_POINT_GROUP",
    "Lever",
    "LeverContext",
    "LeverRegistry",
    "Proposal",
    "Segment",
    "default_levers",
]
