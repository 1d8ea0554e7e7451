"""Answers to questions that a ranking of savings does not answer."""

from netra_optimizer.questions.anomalies import find_anomalies
from netra_optimizer.questions.caching import CachingAudit, CachingUse, audit_caching
from netra_optimizer.questions.change import ChangedSegment, ChangeReview, review_change
from netra_optimizer.questions.forecast import forecast
from netra_optimizer.questions.goals import (
    GoalPlan,
    Goals,
    PlannedChange,
    mean_latency,
    plan_for_goals,
)
from netra_optimizer.questions.speed import where_time_goes

__all__ = [
    "CachingAudit",
    "CachingUse",
    "ChangeReview",
    "ChangedSegment",
    "GoalPlan",
    "Goals",
    "PlannedChange",
    "audit_caching",
    "find_anomalies",
    "forecast",
    "mean_latency",
    "plan_for_goals",
    "review_change",
    "where_time_goes",
]
