"""Does the engine find what is planted, and only that? Recall, precision, error, coverage.

    python benchmarks/known_answers.py [--seeds 2] [--intervals 400] [--json]

Each scenario of the matrix is made with several seeds. A planted change counts as found when an
opportunity of its lever and feature has a share in the combined figure; every other one that has is
a false claim. (Verified ones which others make superfluous have no share and count as neither.) The
error is that of the predicted saving against the truth over the same calls. Coverage: how often the
90 % interval holds the generator's expected saving (the mean of the exact ones over all seeds).
"""

import argparse
import json
import statistics
from collections import defaultdict
from dataclasses import dataclass, field

from netra_optimizer import AnalysisOptions, analyze, generate_workload
from netra_optimizer.generate import Scenario
from netra_optimizer.generate.matrix import known_answer_scenarios
from netra_optimizer.period import split_period
from netra_optimizer.pricing import PriceTable

OPTIONS = AnalysisOptions()


@dataclass
class Tally:
    """What was found over all workloads."""

    workloads: int = 0
    planted: int = 0
    found: int = 0
    false: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    combined_errors: dict[str, float] = field(default_factory=dict)

    @property
    def recall(self) -> float:
        return self.found / max(1, self.planted)

    @property
    def precision(self) -> float:
        return self.found / max(1, self.found + len(self.false))

    def report(self) -> dict[str, object]:
        """Plain numbers."""
        return {
            "workloads": self.workloads,
            "planted": self.planted,
            "recall": self.recall,
            "precision": self.precision,
            "median_error": statistics.median(self.errors),
            "worst_error": max(self.errors),
            "worst_combined_error": max(self.combined_errors.values()),
            "combined_errors_above_1_percent": {
                name: error for name, error in self.combined_errors.items() if error > 0.01
            },
            "false_claims": self.false,
            "missed": self.missed,
        }


def judge(scenario: Scenario, seed: int, prices: PriceTable, tally: Tally) -> None:
    """One workload."""
    workload = generate_workload(seed, scenario=scenario)
    frame = workload.frame(prices)
    analysis = analyze(frame, prices=prices, options=OPTIONS, outcomes=workload.outcomes())
    truth = workload.truth(prices, frame)
    claim = split_period(frame.calls.start_us, OPTIONS.choose_share).claim
    claimed: dict[tuple[str, str], float] = defaultdict(float)
    for opportunity in analysis.opportunities:
        if analysis.combined.attribution.get(opportunity.id):
            key = (opportunity.lever, opportunity.scope.get("feature", ""))
            claimed[key] += opportunity.savings_usd.expected
    name = f"{scenario.name}/{seed}"
    tally.workloads += 1
    for at, planted in enumerate(truth.planted):
        tally.planted += 1
        known = truth.saved(at, claim)
        feature = planted.feature if scenario.named else ""
        predicted = claimed.pop((planted.lever, feature), None)
        if predicted is None:
            tally.missed.append(f"{name} {planted.lever} {planted.feature} ({known:.4f})")
            continue
        tally.found += 1
        tally.errors.append(abs(predicted - known) / known)
    tally.false += [f"{name} {lever} {feature}" for lever, feature in claimed]
    if truth.planted:
        known = truth.combined(claim)
        predicted = analysis.combined.savings_usd.expected
        tally.combined_errors[name] = abs(predicted - known) / known


def run_matrix(seeds: int, *, every: int = 1) -> Tally:
    """Every scenario (or each n-th one) with so many seeds."""
    prices = PriceTable.load()
    tally = Tally()
    for scenario in known_answer_scenarios()[::every]:
        for seed in range(seeds):
            judge(scenario, seed, prices, tally)
    return tally


def coverage(names: list[str], seeds: int) -> tuple[int, int]:
    """(intervals, those that hold the mean of the known savings over the seeds)."""
    prices = PriceTable.load()
    chosen = [s for s in known_answer_scenarios() if s.name in names]
    total = held = 0
    for scenario in chosen:
        intervals: list[tuple[float, float]] = []
        known: list[float] = []
        for seed in range(1000, 1000 + seeds):
            workload = generate_workload(seed, scenario=scenario)
            frame = workload.frame(prices)
            found = analyze(frame, prices=prices, options=OPTIONS, outcomes=workload.outcomes())
            interval = found.combined.savings_usd
            intervals.append((interval.low, interval.high))
            claim = split_period(frame.calls.start_us, OPTIONS.choose_share).claim
            known.append(workload.truth(prices, frame).combined(claim))
        expected = statistics.fmean(known)
        total += len(intervals)
        held += sum(low <= expected <= high for low, high in intervals)
        share = sum(low <= expected <= high for low, high in intervals) / len(intervals)
        print(f"  {scenario.name:24} {100 * share:5.1f} % of {len(intervals)} intervals hold it")
    return total, held


COVERED = ["system_prompt_4096", "chat_8_turns", "repeats_40", "job_gpt-4o", "as_good_model_0"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--intervals", type=int, default=400)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    report = run_matrix(given.seeds).report()
    total, held = coverage(COVERED, -(-given.intervals // len(COVERED)))
    report |= {"intervals": total, "coverage": held / max(1, total)}
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
