"""From a frame of usage to ranked savings that add up: the one entry of the optimizer."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec
import numpy as np

from netra_optimizer.combine import Combination, combine
from netra_optimizer.levers.base import LeverContext, Proposal, Segment
from netra_optimizer.levers.context_text import read_context
from netra_optimizer.levers.labelled_pairs import LabelledPair
from netra_optimizer.levers.prompt_log import PromptText
from netra_optimizer.levers.registry import LeverRegistry, default_levers
from netra_optimizer.levers.segments import find_segments
from netra_optimizer.levers.semantic_cache import SemanticCacheLever
from netra_optimizer.options import AnalysisOptions
from netra_optimizer.period import (
    DAY_US,
    DAYS_A_MONTH,
    Split,
    iso_time,
    longest_pause,
    split_period,
)
from netra_optimizer.prefix_findings import with_prefix_breaks
from netra_optimizer.pricing import PriceTable
from netra_optimizer.replay.stream import Traffic
from netra_optimizer.results import (
    Analysis,
    Audit,
    Combined,
    Interval,
    Opportunity,
    Period,
    UsageTotals,
)
from netra_optimizer.usage.columns import Float64, Int64
from netra_optimizer.usage.frame import UsageFrame
from netra_optimizer.verify.bootstrap import Blocks, widened
from netra_optimizer.verify.outcomes import Outcomes

_ABOVE_COST = (
    "A range that ends above what these calls cost says what as many other calls of the same "
    "traffic might save: few dear conversations carry most of the cost."
)

Progress = Callable[[str, float], None]
"""Told what is being done and how far it is, 0 to 1."""


def analyze(
    frame: UsageFrame,
    *,
    prices: PriceTable,
    options: AnalysisOptions | None = None,
    audit: Audit | None = None,
    outcomes: Outcomes | None = None,
    progress: Progress | None = None,
    levers: LeverRegistry | None = None,
    prompts: Iterable[PromptText] | None = None,
    pairs: Sequence[LabelledPair] | None = None,
) -> Analysis:
    """Find, replay, combine and attribute savings; the same input gives the same answer.

    `frame` is priced with `prices` when it carries no cost yet. `prompts` are the full texts where
    the source has them (`read_prompts`): what broke their prefixes is then said, and questions
    alike are looked for; `pairs` (`read_pairs`) replace the labelled pairs that prove how alike is
    alike enough. With `levers` of your own, only they propose. Calls whose model has no price count
    in no figure and are listed in `unpriced_models`.
    """
    options = options or AnalysisOptions()
    tell = progress or _silent
    if np.isnan(frame.cost_usd).all():
        frame = frame.priced(prices)
    tell("Reading prefixes", 0.0)
    split = split_period(frame.calls.start_us, options.choose_share)
    context = LeverContext(
        frame, Traffic.of(frame), prices, options, outcomes, split.choose, split.claim
    )
    texts = list(prompts or ())
    segments = find_segments(frame, limit=options.max_segments)
    proposals = _proposals(context, segments, levers or _levers(texts, pairs), tell)
    blocks = Blocks.of(frame)
    tell("Replaying all changes together", 0.75)
    figures = [_figure(context, proposal, blocks, split) for proposal in proposals]
    figures = [figure for figure in figures if figure is not None]
    combination = combine(context, [f.proposal for f in figures if f.status == "verified"])
    opportunities = [_opportunity(context, figure, combination, split) for figure in figures]
    opportunities = _told_apart(opportunities)
    opportunities.sort(key=_rank)
    notes = [*_notes(frame, split), *_left_out(context, segments)]
    if texts:
        opportunities, said = with_prefix_breaks(context, opportunities, texts, split)
        opportunities.sort(key=_rank)
        opportunities, more = with_context_texts(context, opportunities, texts)
        notes += said + more
    combined = _combined(context, combination, blocks, split)
    if any(
        said.high > combined.cost_before_usd
        for said in (combined.savings_usd, *(o.savings_usd for o in opportunities))
    ):
        notes.append(_ABOVE_COST)
    tell("Done", 1.0)
    return Analysis(
        usage=usage_totals(frame),
        audit=audit or Audit(len(frame), len(frame), {}),
        opportunities=opportunities,
        combined=combined,
        unpriced_models=_unpriced(frame),
        notes=notes,
    )


def usage_totals(frame: UsageFrame) -> UsageTotals:
    """What was used in the whole period; money over the priced calls."""
    calls = frame.calls
    start = calls.start_us
    timed = frame.latency_ms[~np.isnan(frame.latency_ms)]
    return UsageTotals(
        requests=calls.request_count,
        input_tokens=int(calls.input_tokens.sum()),
        cached_input_tokens=int(calls.cache_read.sum()),
        output_tokens=int(calls.output_tokens.sum()),
        cost_usd=float(np.nansum(frame.cost_usd)),
        first=iso_time(int(start[0])) if len(start) else None,
        last=iso_time(int(start[-1])) if len(start) else None,
        mean_latency_ms=float(timed.mean()) if len(timed) else None,
        timed_requests=len(timed),
    )


class _Figure(msgspec.Struct, frozen=True):
    proposal: Proposal
    status: str
    savings: Interval
    chosen: float
    """USD saved on the rows on which changes are chosen."""


def _silent(_what: str, _share: float) -> None:
    pass


def _levers(texts: Sequence[PromptText], pairs: Sequence[LabelledPair] | None) -> LeverRegistry:
    """All levers; the one by likeness where questions are known."""
    registry = default_levers()
    questions = {t.prompt_hash: t.question for t in texts if t.prompt_hash and t.question}
    if questions:
        registry.register(SemanticCacheLever(questions, pairs))
    return registry


def _proposals(
    context: LeverContext, segments: Sequence[Segment], levers: LeverRegistry, tell: Progress
) -> list[Proposal]:
    worth = context.options.min_share * float(context.traffic.cost_usd.sum())
    found: list[Proposal] = []
    for at, segment in enumerate(segments):
        tell(f"Replaying {segment.feature or segment.model}", 0.05 + 0.7 * at / len(segments))
        if float(context.traffic.cost_usd[segment.rows].sum()) < worth:
            continue
        for lever in levers.levers():
            if context.options.allows(getattr(lever, "kind", lever.id), segment.feature):
                proposed = lever.propose(segment, context)
                found += [p for p in proposed if _fast_enough(context, p)]
    return found


def _fast_enough(context: LeverContext, proposal: Proposal) -> bool:
    """Whether the feature's bound on latency holds; what nobody knows does not."""
    bound = context.rule(proposal.segment).max_latency_ms
    latency = proposal.latency
    if bound is None or latency is None:
        return True
    after, before = latency.p50_after, latency.p50_before
    return after is not None and (after <= bound or (before is not None and after <= before))


def _figure(
    context: LeverContext, proposal: Proposal, blocks: Blocks, split: Split
) -> _Figure | None:
    """The figure of one change alone, on the claim's rows; None where it is not worth a word.

    Where there are days to choose and to prove on, one or two lucky calls prove nothing: the whole
    interval has to lie above zero. On a shorter period nothing is foretold, and what the very
    calls would have saved is said.
    """
    rows = proposal.policy.rows
    saved = context.savings(rows, [proposal.policy])
    claimed = context.claim[rows]
    claimed_rows = rows if claimed.all() else rows[claimed]
    interval = blocks.interval(claimed_rows, saved if claimed.all() else saved[claimed])
    interval = widened(interval, proposal.low_factor, proposal.high_factor)
    interval = _within(interval, context, blocks, claimed_rows, split)
    worth = context.options.min_share * context.claimed_cost
    chosen = float(saved[context.choose[rows]].sum())
    if proposal.standing == "loses_money":
        loses = -interval.expected >= worth and interval.expected < 0
        return _Figure(proposal, "loses_money", interval, chosen) if loses else None
    if interval.expected < worth or chosen <= 0 or interval.expected <= 0:
        return None
    if proposal.standing == "needs_evaluation":
        return _Figure(proposal, "needs_evaluation", interval, chosen)
    proven = interval.low > 0 or (split.single and interval.low == 0)
    return _Figure(proposal, "verified", interval, chosen) if proven else None


def _within(
    interval: Interval, context: LeverContext, blocks: Blocks, rows: Int64, split: Split
) -> Interval:
    """No more is saved than such calls might have cost; on a period of its own, than all did.

    A sample that is short of long conversations is short of their cost too: where other calls are
    foretold, the high end is held to that of the cost, not to the cost of the very calls.
    """
    cost = context.traffic.cost_usd[rows]
    if interval.high <= cost.sum():
        return interval
    most = context.claimed_cost if split.single else blocks.interval(rows, cost).high
    most = max(interval.expected, most)
    return Interval(interval.low, interval.expected, min(interval.high, most))


def _opportunity(
    context: LeverContext, figure: _Figure, combination: Combination, split: Split
) -> Opportunity:
    proposal = figure.proposal
    base = context.claimed_cost
    assumptions = list(proposal.assumptions)
    evidence = dict(proposal.evidence)
    if figure.status == "verified" and proposal not in combination.chosen:
        assumptions.append(
            "Not in the combined figure: other changes of the same calls save more without it."
        )
    if not split.single:
        evidence["chosen_on"] = {
            "savings_usd": figure.chosen,
            "from": iso_time(split.first_us),
            "to": iso_time(split.cut_us),
        }
    return Opportunity(
        id=proposal.id,
        lever=proposal.lever,
        title=proposal.title,
        scope=dict(proposal.segment.scope),
        status=figure.status,
        savings_usd=figure.savings,
        savings_pct=100 * figure.savings.expected / base if base > 0 else 0.0,
        monthly_savings_usd=_monthly(figure.savings.expected, split),
        latency=proposal.latency or context.latency(proposal.policy.rows),
        quality=proposal.quality,
        evidence=evidence,
        assumptions=assumptions,
        patch=proposal.patch,
        effort=proposal.effort,
        risk=proposal.risk,
        rollback=proposal.rollback,
    )


def _told_apart(opportunities: list[Opportunity]) -> list[Opportunity]:
    """Changes of one title name their model too: a feature may run on several."""
    titles = Counter(o.title for o in opportunities)
    return [
        o
        if titles[o.title] == 1 or not o.scope.get("model")
        else msgspec.structs.replace(o, title=_with_model(o.title, o.scope["model"]))
        for o in opportunities
    ]


def _with_model(title: str, model: str) -> str:
    return f"{title[:-1]}, {model})" if title.endswith(")") else f"{title} ({model})"


def with_context_texts(
    context: LeverContext, opportunities: list[Opportunity], prompts: list[PromptText]
) -> tuple[list[Opportunity], list[str]]:
    """Add what prompts carry twice or for nothing to the dearest context entry, and notes."""
    if not prompts or not len(context.frame):
        return opportunities, []
    found = read_context(prompts)
    used = frozenset(context.frame.tool_names.values)
    rates = context.prices.rates(context.frame.calls).input_uncached
    priced = rates[~np.isnan(rates)]
    plain = float(priced.mean()) if len(priced) else 0.0
    at = next((at for at, o in enumerate(opportunities) if o.lever == "context_growth"), None)
    if at is not None:
        evidence = opportunities[at].evidence | {"texts": found.evidence(used, plain)}
        changed = msgspec.structs.replace(opportunities[at], evidence=evidence)
        opportunities = [*opportunities[:at], changed, *opportunities[at + 1 :]]
    return opportunities, found.notes(used, plain)


def _monthly(saved: float, split: Split) -> float | None:
    claimed_us = split.last_us - split.cut_us
    if split.single or claimed_us < DAY_US:
        return None
    return saved * DAYS_A_MONTH * DAY_US / claimed_us


def _rank(opportunity: Opportunity) -> tuple[int, float, str]:
    order = {"verified": 0, "needs_evaluation": 1, "loses_money": 2}
    return order[opportunity.status], -opportunity.savings_usd.expected, opportunity.id


def _combined(
    context: LeverContext, combination: Combination, blocks: Blocks, split: Split
) -> Combined:
    before = context.claimed_cost
    saved: Float64 = combination.saved
    claimed = context.claim[combination.rows]
    interval = blocks.interval(combination.rows[claimed], saved[claimed])
    alone = sum(combination.attribution.values(), 0.0)
    below = sum(combination.attribution[p.id] * (1 - p.low_factor) for p in combination.chosen)
    above = sum(combination.attribution[p.id] * (p.high_factor - 1) for p in combination.chosen)
    interval = Interval(interval.low - max(0.0, below), alone, interval.high + max(0.0, above))
    interval = Interval(min(interval.low, alone), alone, max(interval.high, alone))
    if interval.high > before:
        interval = _within(interval, context, blocks, np.flatnonzero(context.claim), split)
    return Combined(
        period=Period(
            iso_time(split.cut_us) if split.last_us else None,
            iso_time(split.last_us) if split.last_us else None,
        ),
        cost_before_usd=before,
        cost_after_usd=before - alone,
        savings_usd=interval,
        attribution=combination.attribution,
    )


def _unpriced(frame: UsageFrame) -> dict[str, int]:
    missing = np.isnan(frame.cost_usd)
    if not missing.any():
        return {}
    calls = frame.calls.take(missing)
    counts = calls.requests_by(calls.model.codes)
    return {calls.model.values[at]: int(counts[at]) for at in np.flatnonzero(counts).tolist()}


def _left_out(context: LeverContext, segments: Sequence[Segment]) -> list[str]:
    """What the bound on segments leaves out, where it is worth a change."""
    if len(segments) < context.options.max_segments:
        return []
    cost = context.traffic.cost_usd
    total = float(cost.sum())
    left = total - sum(float(cost[segment.rows].sum()) for segment in segments)
    if left < max(context.options.min_share * total, 1e-9):
        return []
    return [
        f"Only the {len(segments)} dearest kinds of calls (by feature and model) were looked at; "
        f"the others cost {100 * left / total:.1f} % of all (max_segments)."
    ]


def _notes(frame: UsageFrame, split: Split) -> list[str]:
    notes: list[str] = []
    if len(frame) and split.single:
        notes.append(
            "Less than two days of records: changes are chosen and claimed on the same calls, and "
            "no monthly figure is given."
        )
    before, after = longest_pause(frame.calls.start_us)
    if not split.single and 2 * (after - before - 1) * DAY_US > split.last_us - split.first_us:
        notes.append(
            f"No call lies between {iso_time(before * DAY_US)[:10]} and "
            f"{iso_time(after * DAY_US)[:10]}, more than half of the period: is a time wrong? "
            "Monthly figures are means over the whole of it."
        )
    if len(frame) and not len(frame.block_hashes):
        notes.append(
            "The records name no prompt prefixes: what a prompt cache would save is not known."
        )
    if len(frame) and frame.prompt_hash.equals("").all():
        notes.append("The records name no prompts: repeats cannot be found.")
    return notes
