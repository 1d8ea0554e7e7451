"""The library's front door: every public name is there, and opening it costs nothing."""

import subprocess
import sys

import netra_optimizer

ENGINE = {
    "Anomalies",
    "Anomaly",
    "Forecast",
    "Limit",
    "TimeSpent",
    "find_anomalies",
    "forecast",
    "where_time_goes",
    "Analysis",
    "AnalysisOptions",
    "CachingAudit",
    "ChangeReview",
    "FeatureRule",
    "GoalPlan",
    "Goals",
    "LeverRegistry",
    "Opportunity",
    "Outcomes",
    "PriceTable",
    "SemanticCacheLever",
    "UsageFrame",
    "UsageStore",
    "WhatIf",
    "Workload",
    "analyze",
    "audit_caching",
    "default_levers",
    "find_prefix_breaks",
    "generate_workload",
    "mean_latency",
    "plan_for_goals",
    "read_files",
    "read_prompts",
    "render_html",
    "render_terminal",
    "review_change",
    "scenarios",
    "what_if",
}


def test_every_public_name_can_be_had() -> None:
    assert set(netra_optimizer.__all__) >= ENGINE
    assert all(getattr(netra_optimizer, name) is not None for name in netra_optimizer.__all__)


def test_the_package_alone_loads_nothing_heavy() -> None:
    heavy = ("numpy", "pyarrow", "scipy", "chdb", "genai_prices")
    code = f"import sys, netra_optimizer.errors; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
