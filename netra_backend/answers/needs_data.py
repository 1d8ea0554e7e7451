"""An answer without data: what can be said all the same, and the one thing that helps most."""

import re
from typing import Final

from netra_backend.agents.findings import Evidence
from netra_backend.answers.parts import HOW_TO_BRING
from netra_backend.reasoner import Intent, Topic
from netra_backend.report import Report, Sufficiency

_BILL: Final = re.compile(r"\b(bill|invoice)s?\b", re.IGNORECASE)


def needs_data_report(evidence: Evidence) -> Report:
    """No number, since there are no rows."""
    intent = evidence.intent
    said, first = _said(intent)
    return Report(
        kind="needs_data",
        question=intent.question,
        headline="There is no usage in this workspace yet, so no figure can be given.",
        summary=said,
        sufficiency=Sufficiency.of(0.0, f"{first[:1].upper()}{first[1:]}."),
        next_steps=[
            f"{first[:1].upper()}{first[1:]}.",
            "Then ask the same question again: it is answered from your own rows.",
        ],
    )


def _said(intent: Intent) -> tuple[list[str], str]:
    match intent.topic:
        case Topic.COMPLIANCE:
            return (
                [
                    "No prompt has to leave your systems: token counts, time stamps, models and "
                    "hashes of prompts are enough for every figure.",
                    "Everything runs on your own machine; erasing a workspace erases its usage.",
                ],
                "export token counts without texts, and upload them",
            )
        case Topic.CACHE_AUDIT:
            return (
                ["Whether caching pays depends on how soon the same prefix comes again."],
                "upload request logs with prompts, or with hashes of their blocks",
            )
        case Topic.CHANGE_REVIEW:
            return (
                [
                    "A change is judged by the same kind of traffic before and after it, by its "
                    "cost, latency and outcomes.",
                ],
                "upload calls from some days before the change until now, with quality outcomes "
                "where you have them",
            )
        case Topic.MODEL_FIT:
            models = ", ".join(intent.models) or "other models"
            return (
                [
                    f"Prices of {models} can be put on your own tokens as soon as they are here; "
                    "quality takes paired outcomes of both models on the same prompts.",
                ],
                HOW_TO_BRING,
            )
        case Topic.FORECAST:
            return (
                ["A forecast needs the shape of a week: requests and tokens by the minute."],
                "upload a week of calls with time stamps and token counts",
            )
        case Topic.BUDGET:
            return (
                ["Whether a budget holds follows from the run rate of your own calls."],
                HOW_TO_BRING,
            )
        case Topic.ERRORS:
            return (
                ["Failed calls and retries are often billed; rows with a status show how much."],
                "upload calls with their status, error kind and attempt",
            )
        case Topic.CHARGEBACK:
            return (
                ["Cost by department takes one tag on each call: team, user or feature."],
                "upload calls that are tagged with a team",
            )
        case Topic.SPEED:
            return (
                ["Where time goes takes the latency of each call, best with time to first token."],
                "upload calls with their latency",
            )
        case Topic.SAVINGS | Topic.USAGE if _BILL.search(intent.question):
            return (
                [
                    "A bill says what was paid, by model and day at best; it can be held against "
                    "list prices. Why it was paid, and what could be saved, is in the calls alone.",
                ],
                "upload the usage report of the provider's organization page (OpenAI's or "
                "Anthropic's export by model and day), or better, " + HOW_TO_BRING,
            )
        case Topic.SAVINGS | Topic.USAGE:
            return (
                [
                    "Most teams find repeated prompts, calls that nobody waits for, or retries; "
                    "which of them you have only your calls can tell.",
                ],
                HOW_TO_BRING,
            )
