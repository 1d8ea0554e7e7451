"""Savings in dollars, computed by replaying your own LLM traffic.

Everything public is here. Names are loaded at their first use: importing the package alone costs
nothing, so a service can start before it needs numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netra_optimizer.analysis import analyze, usage_totals
    from netra_optimizer.counterfactual import WhatIf, what_if
    from netra_optimizer.errors import InputError, OptimizerError, PricingError, StoreError
    from netra_optimizer.findings import Anomalies, Anomaly, Forecast, Limit, TimeSpent
    from netra_optimizer.generate import Scenario, Workload, generate_workload, scenarios
    from netra_optimizer.levers import LeverRegistry, default_levers
    from netra_optimizer.levers.batch_tier import UseTier
    from netra_optimizer.levers.calibration import Calibration, calibrate
    from netra_optimizer.levers.embedding import (
        Embedder,
        HashedWords,
        normalized,
        sentence_model,
    )
    from netra_optimizer.levers.labelled_pairs import LabelledPair, own_pairs, read_pairs
    from netra_optimizer.levers.model_switch import SwitchModel
    from netra_optimizer.levers.patches import anthropic_batches, openai_batch_files
    from netra_optimizer.levers.patching import Applied, apply_to_request, apply_to_router
    from netra_optimizer.levers.prefix_text import PrefixReport, find_prefix_breaks
    from netra_optimizer.levers.prompt_cache import UsePromptCache
    from netra_optimizer.levers.prompt_log import PromptText, read_prompts
    from netra_optimizer.levers.semantic_cache import SemanticCacheLever
    from netra_optimizer.levers.wording import wording
    from netra_optimizer.notebook import (
        Replay,
        attribution_chart,
        calls_table,
        opportunities_table,
        replay_calls,
        rows_of,
        savings_chart,
        spend_chart,
        spend_table,
        what_if_table,
    )
    from netra_optimizer.options import AnalysisOptions, FeatureRule
    from netra_optimizer.pricing import CustomPrice, ModelKey, PriceTable, Rates
    from netra_optimizer.questions import (
        CachingAudit,
        CachingUse,
        ChangedSegment,
        ChangeReview,
        GoalPlan,
        Goals,
        audit_caching,
        find_anomalies,
        forecast,
        mean_latency,
        plan_for_goals,
        review_change,
        where_time_goes,
    )
    from netra_optimizer.report import ReportSource, render_html, render_terminal
    from netra_optimizer.results import (
        Analysis,
        Audit,
        Combined,
        Interval,
        Latency,
        Opportunity,
        Period,
        Quality,
        UsageTotals,
    )
    from netra_optimizer.usage.bill import BillLine, Reconciliation, read_bill, reconcile
    from netra_optimizer.usage.export import export_usage, focus_table
    from netra_optimizer.usage.filters import UsageFilter
    from netra_optimizer.usage.frame import Calls, UsageFrame
    from netra_optimizer.usage.notebook import Usage
    from netra_optimizer.usage.reading import Import, read_files
    from netra_optimizer.usage.record import UsageRecord
    from netra_optimizer.usage.store import (
        BreakdownRow,
        Inserted,
        TenantUsage,
        UsageStore,
        UsageSummary,
    )
    from netra_optimizer.verify.outcomes import Outcomes

_HOMES = {
    "Anomalies": "findings",
    "Anomaly": "findings",
    "Forecast": "findings",
    "Limit": "findings",
    "TimeSpent": "findings",
    "find_anomalies": "questions",
    "forecast": "questions",
    "where_time_goes": "questions",
    "Goals": "questions",
    "GoalPlan": "questions",
    "mean_latency": "questions",
    "plan_for_goals": "questions",
    "LabelledPair": "levers.labelled_pairs",
    "own_pairs": "levers.labelled_pairs",
    "read_pairs": "levers.labelled_pairs",
    "Calibration": "levers.calibration",
    "calibrate": "levers.calibration",
    "Embedder": "levers.embedding",
    "HashedWords": "levers.embedding",
    "sentence_model": "levers.embedding",
    "normalized": "levers.embedding",
    "wording": "levers.wording",
    "UsePromptCache": "levers.prompt_cache",
    "SwitchModel": "levers.model_switch",
    "UseTier": "levers.batch_tier",
    "what_if_table": "notebook",
    "rows_of": "notebook",
    "replay_calls": "notebook",
    "calls_table": "notebook",
    "Replay": "notebook",
    "Applied": "levers.patching",
    "apply_to_request": "levers.patching",
    "apply_to_router": "levers.patching",
    "openai_batch_files": "levers.patches",
    "anthropic_batches": "levers.patches",
    "SemanticCacheLever": "levers.semantic_cache",
    "render_html": "report",
    "render_terminal": "report",
    "ReportSource": "report",
    "analyze": "analysis",
    "spend_chart": "notebook",
    "attribution_chart": "notebook",
    "savings_chart": "notebook",
    "spend_table": "notebook",
    "opportunities_table": "notebook",
    "default_levers": "levers",
    "LeverRegistry": "levers",
    "read_prompts": "levers.prompt_log",
    "find_prefix_breaks": "levers.prefix_text",
    "PrefixReport": "levers.prefix_text",
    "PromptText": "levers.prompt_log",
    "WhatIf": "counterfactual",
    "what_if": "counterfactual",
    "usage_totals": "analysis",
    "CachingAudit": "questions",
    "CachingUse": "questions",
    "ChangedSegment": "questions",
    "ChangeReview": "questions",
    "audit_caching": "questions",
    "review_change": "questions",
    "Scenario": "generate",
    "Workload": "generate",
    "generate_workload": "generate",
    "scenarios": "generate",
    "OptimizerError": "errors",
    "AnalysisOptions": "options",
    "FeatureRule": "options",
    "Analysis": "results",
    "Audit": "results",
    "Combined": "results",
    "Interval": "results",
    "Latency": "results",
    "Opportunity": "results",
    "Period": "results",
    "Quality": "results",
    "UsageTotals": "results",
    "Outcomes": "verify.outcomes",
    "InputError": "errors",
    "PricingError": "errors",
    "StoreError": "errors",
    "CustomPrice": "pricing",
    "ModelKey": "pricing",
    "PriceTable": "pricing",
    "Rates": "pricing",
    "UsageFilter": "usage.filters",
    "Calls": "usage.frame",
    "UsageFrame": "usage.frame",
    "Import": "usage.reading",
    "read_files": "usage.reading",
    "UsageRecord": "usage.record",
    "BreakdownRow": "usage.store",
    "Inserted": "usage.store",
    "TenantUsage": "usage.store",
    "UsageStore": "usage.store",
    "UsageSummary": "usage.store",
    "Usage": "usage.notebook",
    "read_bill": "usage.bill",
    "reconcile": "usage.bill",
    "BillLine": "usage.bill",
    "Reconciliation": "usage.bill",
    "export_usage": "usage.export",
    "focus_table": "usage.export",
}
"""Where each public name lives."""

__all__ = [
    "Analysis",
    "AnalysisOptions",
    "Anomalies",
    "Anomaly",
    "Applied",
    "Audit",
    "BillLine",
    "BreakdownRow",
    "CachingAudit",
    "CachingUse",
    "Calibration",
    "Calls",
    "ChangeReview",
    "ChangedSegment",
    "Combined",
    "CustomPrice",
    "Embedder",
    "FeatureRule",
    "Forecast",
    "GoalPlan",
    "Goals",
    "HashedWords",
    "Import",
    "InputError",
    "Inserted",
    "Interval",
    "LabelledPair",
    "Latency",
    "LeverRegistry",
    "Limit",
    "ModelKey",
    "Opportunity",
    "OptimizerError",
    "Outcomes",
    "Period",
    "PrefixReport",
    "PriceTable",
    "PricingError",
    "PromptText",
    "Quality",
    "Rates",
    "Reconciliation",
    "Replay",
    "ReportSource",
    "Scenario",
    "SemanticCacheLever",
    "StoreError",
    "SwitchModel",
    "TenantUsage",
    "TimeSpent",
    "Usage",
    "UsageFilter",
    "UsageFrame",
    "UsageRecord",
    "UsageStore",
    "UsageSummary",
    "UsageTotals",
    "UsePromptCache",
    "UseTier",
    "WhatIf",
    "Workload",
    "analyze",
    "anthropic_batches",
    "apply_to_request",
    "apply_to_router",
    "attribution_chart",
    "audit_caching",
    "calibrate",
    "calls_table",
    "default_levers",
    "export_usage",
    "find_anomalies",
    "find_prefix_breaks",
    "focus_table",
    "forecast",
    "generate_workload",
    "mean_latency",
    "normalized",
    "openai_batch_files",
    "opportunities_table",
    "own_pairs",
    "plan_for_goals",
    "read_bill",
    "read_files",
    "read_pairs",
    "read_prompts",
    "reconcile",
    "render_html",
    "render_terminal",
    "replay_calls",
    "review_change",
    "rows_of",
    "savings_chart",
    "scenarios",
    "sentence_model",
    "spend_chart",
    "spend_table",
    "usage_totals",
    "what_if",
    "what_if_table",
    "where_time_goes",
    "wording",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
