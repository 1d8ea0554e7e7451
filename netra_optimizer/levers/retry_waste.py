"""Calls that should not have been made: twins fired together, hopeless retries, cut-off answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from netra_optimizer.levers import patches
from netra_optimizer.levers.base import LeverContext, Proposal, Segment
from netra_optimizer.levers.evidence import where
from netra_optimizer.levers.response_cache import AnswerRepeats
from netra_optimizer.usage.columns import Bool, Int64

Waste = Literal["twins", "hopeless_retries", "storm", "timeouts", "cut_off"]

TWIN_S: Final = 2.0
"""Equal requests of one user this close together are one question asked twice."""
ASKED_AGAIN_S: Final = 600.0
ENOUGH_ATTEMPTS: Final = 3
"""What failed so often and is never answered was not worth another try at once."""
TIMEOUTS: Final = frozenset({"timeout", "timeouterror", "request_timeout", "504", "408", "aborted"})
FINAL_ERRORS: Final = frozenset(
    {
        "invalid_request",
        "invalid_request_error",
        "bad_request",
        "badrequesterror",
        "context_length_exceeded",
        "contextwindowexceedederror",
        "content_filter",
        "contentpolicyviolationerror",
        "authentication_error",
        "permission_error",
        "not_found",
        "400",
        "401",
        "403",
        "404",
        "413",
        "422",
    }
)
"""Errors which the same request meets again."""
_TITLES: Final[dict[Waste, str]] = {
    "twins": "Join twin requests",
    "hopeless_retries": "Stop hopeless retries",
    "storm": "Stop retry storms",
    "timeouts": "Wait longer before asking again",
    "cut_off": "Allow the answer its length at once",
}
_UNKNOWN: Final = (
    "The records do not tell how long calls take: these may have been asked one after the other."
)
_HOW: Final[dict[Waste, str]] = {
    "twins": "Equal requests of one user within 2 s of each other want one answer.",
    "hopeless_retries": "A request refused as invalid is refused again.",
    "storm": f"Attempts after the first {ENOUGH_ATTEMPTS} that all failed brought no answer.",
    "timeouts": "A call given up as too slow is billed; waiting for it would have been enough.",
    "cut_off": "An answer cut off at max_tokens and asked again in full was of no use.",
}


@dataclass(frozen=True, eq=False)
class _Found:
    waste: Waste
    rows: Int64
    certain: bool = True
    """False where the records do not tell how long calls took, and so whether they overlapped."""


class RetryWasteLever:
    """Billed calls of no use; the replay leaves them out."""

    id = "retry_waste"

    def propose(self, segment: Segment, context: LeverContext) -> Sequence[Proposal]:
        """One proposal for each kind of waste that was billed."""
        found = [
            *_twins(context, segment.rows),
            _Found("hopeless_retries", hopeless := _hopeless(context, segment.rows)),
            _Found("storm", np.setdiff1d(_storms(context, segment.rows), hopeless)),
            _Found("timeouts", _given_up(context, segment.rows), certain=False),
            _Found("cut_off", _cut_off(context, segment.rows)),
        ]
        return [
            _proposal(segment, context, waste)
            for waste in found
            if context.traffic.cost_usd[waste.rows].sum() > 0
        ]


def _same_request(context: LeverContext, rows: Int64) -> tuple[Int64, Bool]:
    """Rows with a known prompt by (user, conversation, prompt, time); True: as the last."""
    frame = context.frame
    rows = rows[~frame.prompt_hash.equals("")[rows]]
    keys = (frame.prompt_hash.codes, frame.conversation.codes, frame.user.codes)
    order = np.lexsort(tuple(key[rows] for key in keys))
    ordered = rows[order]
    same = np.zeros(len(ordered), np.bool_)
    same[1:] = True
    for key in keys:
        same[1:] &= key[ordered][1:] == key[ordered][:-1]
    return ordered, same


def _pauses_s(context: LeverContext, ordered: Int64) -> np.ndarray:
    start = context.frame.calls.start_us[ordered]
    return np.diff(start, prepend=start[:1]) / 1e6


def _twins(context: LeverContext, rows: Int64) -> list[_Found]:
    """Later ones of equal requests fired together, both answered.

    Together means: before the first had ended. Where that is not known they are to be looked at.
    """
    ordered, same = _same_request(context, rows)
    if len(ordered) < 2:
        return []
    answered = context.frame.status.equals("ok")[ordered]
    first_attempt = context.frame.attempt[ordered] <= 1
    together = same & (_pauses_s(context, ordered) <= TWIN_S) & answered & first_attempt
    together[1:] &= answered[:-1]
    pause_ms = 1000 * _pauses_s(context, ordered)
    took_ms = np.append(np.nan, context.frame.latency_ms[ordered][:-1])
    overlapping = together & (pause_ms < np.nan_to_num(took_ms, nan=-1.0))
    unknown = together & np.isnan(took_ms)
    return [
        _Found("twins", np.sort(ordered[overlapping])),
        _Found("twins", np.sort(ordered[unknown]), certain=False),
    ]


def _hopeless(context: LeverContext, rows: Int64) -> Int64:
    """Attempts after the first which failed for a reason that a retry cannot mend."""
    frame = context.frame
    final = np.array([kind.lower() in FINAL_ERRORS for kind in frame.error_kind.values], np.bool_)
    failed = frame.status.equals("error")[rows] & final[frame.error_kind.codes[rows]]
    again = frame.attempt[rows] > 1
    again |= ~frame.retry_of.equals("")[rows]
    return rows[failed & again]


def _storms(context: LeverContext, rows: Int64) -> Int64:
    """Attempts of one request after ENOUGH_ATTEMPTS, where none of these was answered."""
    ordered, same = _same_request(context, rows)
    if not len(ordered):
        return ordered
    same &= np.abs(_pauses_s(context, ordered)) <= ASKED_AGAIN_S
    begins = np.flatnonzero(~same)
    lengths = np.diff(np.append(begins, len(ordered)))
    number = np.arange(len(ordered)) - np.repeat(begins, lengths)
    failed = context.frame.status.equals("error")[ordered]
    late_answers = np.add.reduceat((~failed & (number >= ENOUGH_ATTEMPTS)).astype(int), begins)
    hopeless = np.repeat(late_answers == 0, lengths)
    first_failed = np.add.reduceat((~failed & (number < ENOUGH_ATTEMPTS)).astype(int), begins)
    hopeless &= np.repeat(first_failed == 0, lengths)
    return np.sort(ordered[hopeless & (number >= ENOUGH_ATTEMPTS)])


def _given_up(context: LeverContext, rows: Int64) -> Int64:
    """Billed calls that timed out and were asked again soon."""
    ordered, same = _same_request(context, rows)
    if len(ordered) < 2:
        return ordered[:0]
    frame = context.frame
    slow = np.array([kind.lower() in TIMEOUTS for kind in frame.error_kind.values], np.bool_)
    given_up = slow[frame.error_kind.codes[ordered]] & frame.status.equals("error")[ordered]
    given_up[-1] = False
    given_up[:-1] &= same[1:] & (_pauses_s(context, ordered)[1:] <= ASKED_AGAIN_S)
    return np.sort(ordered[given_up])


def _cut_off(context: LeverContext, rows: Int64) -> Int64:
    """Answers that ended at their limit of length and were asked again soon."""
    ordered, same = _same_request(context, rows)
    if len(ordered) < 2:
        return ordered[:0]
    frame = context.frame
    limited = np.array(
        [v in ("length", "max_tokens") for v in frame.finish_reason.values], np.bool_
    )
    cut = limited[frame.finish_reason.codes[ordered]]
    followed = np.zeros(len(ordered), np.bool_)
    followed[:-1] = same[1:] & (_pauses_s(context, ordered)[1:] <= ASKED_AGAIN_S)
    followed[:-1] &= ~cut[1:]
    return np.sort(ordered[cut & followed])


def _proposal(segment: Segment, context: LeverContext, found: _Found) -> Proposal:
    billed = float(context.traffic.cost_usd[found.rows].sum())
    return Proposal(
        lever="retry_waste",
        title=f"{_TITLES[found.waste]} ({segment.name})",
        segment=segment,
        policy=AnswerRepeats(segment.rows, found.rows),
        standing="countable" if found.certain else "needs_evaluation",
        evidence={
            "kind": found.waste,
            "requests": context.requests(segment.rows),
            "wasted_requests": len(found.rows),
            "billed_usd": billed,
            "rows": [{"id": context.frame.id[int(row)]} for row in found.rows[:20]],
            "query": where(segment),
        },
        assumptions=[
            _HOW[found.waste],
            *((_UNKNOWN,) if found.waste == "twins" and not found.certain else ()),
        ],
        patch=_patch(segment, found.waste),
        effort="low",
        risk="low: the calls left out gave nothing that was used",
        rollback="Send them again.",
        variant=found.waste
        if found.certain or found.waste == "timeouts"
        else f"{found.waste}_unproven",
    )


def _patch(segment: Segment, waste: Waste) -> dict[str, Any]:
    match waste:
        case "twins":
            return {"client": {"join_in_flight": True, "window_s": TWIN_S}}
        case "hopeless_retries":
            return patches.no_hopeless_retries(segment.model, segment.provider)
        case "storm":
            return {"client": {"attempts_at_most": ENOUGH_ATTEMPTS, "back_off": "exponential"}}
        case "timeouts":
            return {"client": {"timeout": "the 99th percentile of the latency", "stream": True}}
        case "cut_off":
            return {"client": {"max_tokens": "the 99th percentile of the answer's length"}}
