"""Replaying a stream of calls under policies: what each call would have cost."""

from netra_optimizer.replay.caching_rules import CachingRule, caching_rule
from netra_optimizer.replay.prefix import PrefixIndex
from netra_optimizer.replay.stream import Policy, Stage, Stream, Traffic, replay

__all__ = [
    "CachingRule",
    "Policy",
    "PrefixIndex",
    "Stage",
    "Stream",
    "Traffic",
    "caching_rule",
    "replay",
]
