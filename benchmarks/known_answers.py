"""Does the engine find what is planted, and only that? Recall, precision, error, coverage.

    python benchmarks/known_answers.py [--seeds 2] [--first-seed 0] [--intervals 400]
        [--each-intervals 0]

Each scenario of the matrix is made with several seeds. A planted change counts as found when an
opportunity of its lever and feature has a share in the combined figure; every other one that has is
a false claim. (Verified ones which others make superfluous have no share and count as neither.) The
error is that of the predicted saving against the truth over the same calls. Coverage: how often the
90 % interval holds the generator's expected saving (the mean of the exact ones over all seeds), of
the combined figure over COVERED scenarios together, and with `--each-intervals N` over N workloads
of each scenario that has something planted, for each planted change by itself too.
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
from netra_optimizer.results import Interval

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


def run_matrix(seeds: range) -> Tally:
    """Every scenario with each seed."""
    prices = PriceTable.load()
    tally = Tally()
    for scenario in known_answer_scenarios():
        for seed in seeds:
            judge(scenario, seed, prices, tally)
    return tally


@dataclass
class Intervals:
    """Intervals of one figure over seeds, and the exact savings they are held against."""

    found: list[Interval] = field(default_factory=list)
    known: list[float] = field(default_factory=list)

    def held(self) -> int:
        """How many hold the mean of the exact savings."""
        expected = statistics.fmean(self.known)
        return sum(i.low <= expected <= i.high for i in self.found)


def intervals(scenario: Scenario, seeds: range, prices: PriceTable) -> dict[str, Intervals]:
    """By "combined" and by planted change; a change that is not found has no interval."""
    kept: dict[str, Intervals] = defaultdict(Intervals)
    for seed in seeds:
        workload = generate_workload(seed, scenario=scenario)
        frame = workload.frame(prices)
        found = analyze(frame, prices=prices, options=OPTIONS, outcomes=workload.outcomes())
        truth = workload.truth(prices, frame)
        claim = split_period(frame.calls.start_us, OPTIONS.choose_share).claim
        kept["combined"].found.append(found.combined.savings_usd)
        kept["combined"].known.append(truth.combined(claim))
        for at, planted in enumerate(truth.planted):
            one = kept[f"{planted.lever} {planted.feature}"]
            one.known.append(truth.saved(at, claim))
            feature = planted.feature if scenario.named else ""
            one.found += [
                o.savings_usd
                for o in found.opportunities
                if o.status == "verified"
                and (o.lever, o.scope.get("feature", "")) == (planted.lever, feature)
            ][:1]
    return kept


def coverage(scenarios: list[Scenario], seeds: range) -> tuple[int, int]:
    """(combined intervals, those that hold), and a line for each figure of each scenario."""
    prices = PriceTable.load()
    total = held = 0
    for scenario in scenarios:
        kept = intervals(scenario, seeds, prices)
        total += len(kept["combined"].found)
        held += kept["combined"].held()
        said = [
            f"{name} {100 * one.held() / max(1, len(one.found)):.1f} % of {len(one.found)}"
            for name, one in kept.items()
        ]
        print(f"  {scenario.name:24} {'; '.join(said)}", flush=True)
    return total, held


COVERED = (
    "system_prompt_4096",
    "chat_12_turns",
    "chat_20_turns",
    "repeats_40",
    "five_prompts",
    "bursts_cached",
    "bursts_switch",
    "job_gpt-4o",
)
"""Few long conversations, few prompts and bursts among them."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--intervals", type=int, default=400)
    parser.add_argument("--each-intervals", type=int, default=0)
    given = parser.parse_args()
    first = given.first_seed
    report = run_matrix(range(first, first + given.seeds)).report()
    each = given.each_intervals
    scenarios = [s for s in known_answer_scenarios() if s.planted and (each or s.name in COVERED)]
    count = each or -(-given.intervals // len(COVERED))
    total, held = coverage(scenarios, range(first + 1000, first + 1000 + count))
    report |= {"intervals": total, "coverage": held / max(1, total)}
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
