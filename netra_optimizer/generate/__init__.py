"""Workloads with a known answer: seeded, realistic, with waste planted in them."""

from netra_optimizer.generate.scenarios import demo_scenario, scaled, scenarios
from netra_optimizer.generate.spec import FeatureSpec, Planted, Scenario, Upgrade
from netra_optimizer.generate.truth import Truth, known_truth
from netra_optimizer.generate.workload import Workload, generate_workload
from netra_optimizer.generate.writers import write_truth, write_workload

__all__ = [
    "FeatureSpec",
    "Planted",
    "Scenario",
    "Truth",
    "Upgrade",
    "Workload",
    "demo_scenario",
    "generate_workload",
    "known_truth",
    "scaled",
    "scenarios",
    "write_truth",
    "write_workload",
]
