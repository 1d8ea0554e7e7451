"""Answers to questions that a ranking of savings does not answer."""

from netra_optimizer.questions.caching import CachingAudit, CachingUse, audit_caching
from netra_optimizer.questions.change import ChangedSegment, ChangeReview, review_change
from netra_optimizer.questions.goals import (
    GoalPlan,
    Goals,
    PlannedChange,
    mean_latency,
    plan_for_goals,
)

__all__ = [
    "CachingAudit",
    "CachingUse",
    "ChangeReview",
    "ChangedSegment",
    "GoalPlan",
    "Goals",
    "PlannedChange",
    "audit_caching",
    "mean_latency",
    "plan_for_goals",
    "review_change",
]
