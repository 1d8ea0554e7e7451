"""Answers to questions that a ranking of savings does not answer."""

from netra_optimizer.questions.caching import CachingAudit, CachingUse, audit_caching
from netra_optimizer.questions.change import ChangedSegment, ChangeReview, review_change

__all__ = [
    "CachingAudit",
    "CachingUse",
    "ChangeReview",
    "ChangedSegment",
    "audit_caching",
    "review_change",
]
