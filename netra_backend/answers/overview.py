"""Usage, budgets, errors, chargeback: what the rows themselves say."""

import re
from typing import Final

from netra_backend.agents.findings import Computed, Evidence
from netra_backend.answers import parts
from netra_backend.answers.constraints import constraints_of
from netra_backend.answers.patterns import pattern_lines, pattern_tables
from netra_backend.answers.savings import headline as savings_headline
from netra_backend.reasoner import Topic
from netra_backend.report import Column, Constraint, Figure, Plot, Report, ReportTable
from netra_backend.usage.facts import Failures, LoadProfile, Profile

_OF_FEATURES: Final = re.compile(r"\b(feature|function|endpoint|service|use case)s?\b", re.I)


def overview_report(evidence: Evidence, profile: Profile) -> Report:
    """A report of kind usage, with what the topic asks for first."""
    body = _Body(evidence, profile)
    match evidence.intent.topic:
        case Topic.BUDGET:
            body.budget()
        case Topic.ERRORS:
            body.errors()
        case Topic.CHARGEBACK:
            body.chargeback()
        case Topic.COMPLIANCE:
            body.compliance()
        case _:
            body.usage()
    return body.report()


class _Body:
    """A report being written."""

    def __init__(self, evidence: Evidence, profile: Profile) -> None:
        self._evidence = evidence
        self._profile = profile
        self._computed: Computed = evidence.computed
        self._source = parts.evidence(profile)
        self._headline = ""
        self._summary: list[str] = []
        self._figures: list[Figure] = []
        self._tables: list[ReportTable] = []
        self._plots: list[Plot] = []
        self._constraints: list[Constraint] = []
        self._steps: list[str] = []
        self._sufficiency = parts.sufficiency(profile)

    def report(self) -> Report:
        """The whole."""
        analysis = self._computed.analysis
        ask = self._sufficiency.ask
        return Report(
            kind="usage",
            question=self._evidence.intent.question,
            headline=self._headline,
            summary=[
                *self._summary,
                *parts.unpriced(self._profile),
                *pattern_lines(self._computed.anomalies),
                *parts.unknown_names(self._evidence.data),
            ],
            figures=self._figures,
            opportunities=[parts.opportunity_out(o) for o in analysis.opportunities]
            if analysis
            else [],
            constraints=self._constraints or constraints_of(self._evidence),
            tables=self._tables + pattern_tables(self._computed.anomalies),
            plots=self._plots or parts.cost_over_time(self._profile),
            sufficiency=self._sufficiency,
            next_steps=(self._steps + list(self._evidence.next_steps))[:6]
            or [ask or "Ask where the same results cost less."],
        )

    def usage(self) -> None:
        profile = self._profile
        top = profile.models[0]
        named = [row for row in profile.features if row.key != "(none)"]
        if named and _OF_FEATURES.search(self._evidence.intent.question):
            top = named[0]
        share = top.cost_usd / profile.cost_usd if profile.cost_usd else 0.0
        self._headline = (
            f"{parts.counted(profile.requests, 'call costs', 'calls cost')} "
            f"{parts.money(profile.cost_usd)}; "
            f"{top.key} is {parts.percent(share)} of it."
        )
        if not profile.priced_share:
            calls = parts.counted(profile.requests, "call", "calls")
            self._headline = f"What {calls} cost is not known. {parts.NO_PRICE}"
        self._figures = parts.usage_figures(profile)
        self._tables = [
            parts.usage_table("By model", profile.models),
            parts.usage_table("By feature", profile.features),
        ]
        self._steps = ["Ask where the same results cost less."]

    def budget(self) -> None:
        load = self._load()
        budget = self._evidence.intent.goals.budget_usd
        month = load.cost_per_month_usd if self._profile.priced_share else None
        told = self._profile.priced_share == 1
        self._figures += parts.usage_figures(self._profile)[:1]
        if month is not None:
            self._figures.append(
                Figure(label="Cost a month now", value=month, unit="usd", evidence=self._source)
            )
        if budget is None:
            self._headline = "The question names no amount; this is what you spend."
        elif not self._profile.priced_share:
            self._headline = f"Whether {parts.money(budget)} holds is not known. {parts.NO_PRICE}"
        elif month is None:
            self._headline = (
                f"Whether {parts.money(budget)} a month holds takes a day of traffic or more; "
                f"the period so far cost {parts.money(self._profile.cost_usd)}."
            )
        else:
            word = "within" if month <= budget else "over"
            self._headline = (
                f"{parts.money(month)} a month at today's rate: {word} "
                f"{parts.money(budget)} by {parts.money(abs(budget - month))}"
                f"{'' if told else ', without the calls that have no known price'}."
            )
        if budget is not None:
            self._constraints = [
                Constraint(
                    text=f"At most {parts.money(budget)} a month",
                    honoured=None
                    if month is None or (month <= budget and not told)
                    else month <= budget,
                    detail=self._headline,
                )
            ]
        if (analysis := self._computed.analysis) is not None:
            self._summary.append(savings_headline(analysis))

    def errors(self) -> None:
        found: Failures | None = self._computed.failures
        assert found is not None
        share = found.failed / found.requests if found.requests else 0.0
        self._headline = (
            f"{found.failed:,} of {found.requests:,} calls failed ({parts.percent(share)}) and "
            f"cost {parts.money(found.failed_cost_usd)}."
        )
        self._figures = [
            Figure(label="Failed calls", value=found.failed, unit="count", evidence=self._source),
            Figure(
                label="Billed for failures",
                value=found.failed_cost_usd,
                unit="usd",
                evidence=self._source,
            ),
            Figure(label="Repeats", value=found.retries, unit="count", evidence=self._source),
            Figure(
                label="Billed for repeats",
                value=found.retries_cost_usd,
                unit="usd",
                evidence=self._source,
            ),
        ]
        if found.failed == 0:
            self._summary.append("If calls did fail, log their status: no row says so.")
        self._tables = [
            ReportTable(
                title="Failures by kind",
                columns=[
                    Column(key="kind", label="Kind"),
                    Column(key="requests", label="Requests", unit="count"),
                    Column(key="cost_usd", label="Cost", unit="usd"),
                ],
                rows=[
                    {"kind": row.kind, "requests": row.requests, "cost_usd": row.cost_usd}
                    for row in found.kinds
                ],
            )
        ]

    def chargeback(self) -> None:
        teams = [row for row in self._profile.teams if row.key != "(none)"]
        if teams:
            theirs = sum(row.cost_usd for row in teams)
            self._headline = (
                f"{parts.counted(len(teams), 'team pays', 'teams share')} {parts.money(theirs)} of "
                f"{parts.money(self._profile.cost_usd)}; "
                f"{teams[0].key} pays most, {parts.money(teams[0].cost_usd)}."
            )
            self._tables = [parts.usage_table("By team", self._profile.teams)]
        else:
            self._headline = "No call is tagged with a team, so the cost cannot be split by team."
            self._steps = ["Tag calls with the team they are made for, and upload them again."]
        self._tables.append(parts.usage_table("By feature", self._profile.features))
        self._figures = parts.usage_figures(self._profile)[:2]

    def compliance(self) -> None:
        self.usage()
        self._summary = [
            "Every figure here was computed from counts, times and hashes; texts of prompts are "
            "not kept.",
            "The data lies on this server alone; deleting the workspace's usage erases it.",
            "Whether a provider signs the agreement your rules ask for (a BAA under HIPAA) is "
            "not in the rows: check it for each of the models below.",
        ]
        self._steps = ["List the providers you may use; the figures can be limited to them."]

    def _load(self) -> LoadProfile:
        assert self._computed.load is not None
        return self._computed.load
