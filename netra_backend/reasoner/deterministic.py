"""The reasoner that needs no model: the same question always means the same."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from netra_backend.reasoner.intent import Goals, Intent, LatencyWish, Topic

_NUMBER: Final = r"(\d+(?:[.,]\d+)?)"
_WORDS: Final = {
    "two": 2.0, "twice": 2.0, "double": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "half": 0.5,
    "ten": 10.0, "triple": 3.0,
}  # fmt: skip
_NAME: Final = r"[A-Za-z0-9][\w./:-]*"
_FEATURE = re.compile(
    rf"\b(?:feature|function|endpoint|service|segment|use case)s?\s*[,:]?\s*"
    rf"[`'\"]?(?!(?:may|must|can|is|to|that|which|with|and|should|has|usage)\b)({_NAME})[`'\"]?",
    re.I,
)
_IDENTIFIER = re.compile(r"[`'\"]([\w./:-]{2,64})[`'\"]|\b([a-z][a-z0-9]*(?:_[a-z0-9]+)+)\b")
_MODEL = re.compile(
    r"\b((?:gpt|chatgpt|claude|gemini|llama|mistral|mixtral|deepseek|qwen|grok|command|nova|o\d)"
    r"(?:-[\w.]+)*(?:\s?\d(?:\.\d+)?)?(?:-[\w.]+)*)",
    re.I,
)
_LATENCY = re.compile(rf"{_NUMBER}\s*(ms|milliseconds?|msec|s|sec|secs|seconds?)\b", re.I)
_CLAUSE = re.compile(r"[,;]\s+|\s+(?:and|but|while|whereas)\s+|\.\s+")
_PERCENT = re.compile(rf"([-+−–]?)\s*{_NUMBER}\s*(?:%|percent)", re.I)
_MONEY = re.compile(rf"(?:\$|usd\s?)\s?{_NUMBER}\s*(k|thousand|m|million)?", re.I)
_FASTER = re.compile(rf"(?:{_NUMBER}|({'|'.join(_WORDS)}))\s*(?:times|x|×)?\s*(?:as\s+)?fast", re.I)
_CHANGED = re.compile(
    r"\b(upgrade|rollout|release|deploy\w*|migration|switch|change|update|roll(?:ed)?\s*back)", re.I
)
_DATE = re.compile(r"\b(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}))?")

_TOPICS: Final[tuple[tuple[Topic, str], ...]] = (
    (Topic.CACHE_AUDIT, r"\b(kv|prompt|prefix|response)?[ -]?cach(e|es|ing)\b"),
    (
        Topic.CHANGE_REVIEW,
        r"\broll(ed)?[ -]?back\b|\bworth it\b|\b(before|after|since|yesterday|last)\b.*"
        r"\b(upgrade|rollout|release|migration|switch|deploy\w*|change)\b|"
        r"\b(upgrade|rollout|migration|switch)\b.*\b(worth|pay off|paid off|help|hurt)\b",
    ),
    (
        Topic.CHARGEBACK,
        r"\b(charge|show)[ -]?back|\b(by|per|each) (department|team|customer|tenant|cost cent)",
    ),
    (Topic.ERRORS, r"\berror|\bfail|\bretr(y|ies)|\btimeouts?\b|\brate limit(ed|ing)\b|\b429\b"),
    (Topic.COMPLIANCE, r"\bhipaa\b|\bgdpr\b|\bphi\b|\bpii\b|\bcomplian"),
    (
        Topic.FORECAST,
        r"\bforecast|\bnext (month|quarter|year|week)\b|\bgrow(s|th|ing)?\b|\bproject(ed|ion)\b|"
        r"\brate limits?\b|\bcapacity\b|\bheadroom\b|\busage \+\s*\d",
    ),
    (Topic.BUDGET, r"\bbudget\b|\bcap of \$|\bspend(ing)? limit\b|\bno more than \$"),
)  # fmt: skip
_MODEL_FIT: Final = re.compile(
    r"\bwould\b|\bshould\b|\bwhich\b|\bmove to\b|\bswitch to\b|\banother model\b|\binstead\b|"
    r"\btoo (dear|expensive|costly)\b|\breplace\b|\bcompare\b|\bwork in our\b|\bvariant\b",
    re.I,
)
_AWAY: Final = re.compile(
    r"\btoo (dear|expensive|costly|slow)\b|\breplace\b|\bmove (away|off)\b|\binstead of\b|"
    r"\balternatives? to\b",
    re.I,
)
_USAGE: Final = re.compile(
    r"\bhow much\b|\boverview\b|\bbreakdown\b|\bsummary\b|\bwhat (do|did) we (spend|pay|use)\b|"
    r"\bwhere does\b.*\b(money|cost|spend)|\bspend(ing)? by\b|\bcosts? by\b|\busage by\b|"
    r"\bwho (spends|uses)\b",
    re.I,
)
_FAST: Final = re.compile(r"\bfast(er)?\b|\bspeed\b|\blatency\b|\bslow(er)?\b|\bquick(er)?\b", re.I)
_CHEAP: Final = re.compile(r"\bcheap|\bsav(e|ing)|\bcost\s*[-−–]|\breduc|\bcut\b|\bless\b", re.I)


class DeterministicReasoner:
    """Understands by patterns; `now` fixes what "yesterday" means."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now

    @property
    def models(self) -> tuple[str, ...]:
        """None."""
        return ()

    async def understand(self, question: str) -> Intent:
        """See Reasoner."""
        text = " ".join(question.split())
        models = _models(text)
        features = _features(text, models)
        latency = _latency(text, features)
        goals = _goals(text)
        return Intent(
            topic=_topic(text, models, goals, latency),
            question=text,
            features=features,
            models=models,
            latency=latency,
            goals=goals,
            change_at=self._change_at(text),
            away_from=bool(models) and _AWAY.search(text) is not None,
        )

    def _change_at(self, text: str) -> str | None:
        if (match := _DATE.search(text)) is not None:
            clock = match.group(2) or "00:00"
            moment = datetime.fromisoformat(f"{match.group(1)}T{clock}").replace(tzinfo=UTC)
            return moment.isoformat()
        if not _CHANGED.search(text):
            return None
        midnight = self._now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        back = {"yesterday": 1, "today": 0, "last week": 7, "this week": midnight.weekday()}
        for word, days in back.items():
            if re.search(rf"\b{word}\b", text, re.I):
                return (midnight - timedelta(days=days)).isoformat()
        return None


def _topic(
    text: str, models: tuple[str, ...], goals: Goals, latency: tuple[LatencyWish, ...]
) -> Topic:
    if models and _MODEL_FIT.search(text):
        return Topic.MODEL_FIT
    for topic, pattern in _TOPICS:
        if re.search(pattern, text, re.I):
            if topic is Topic.FORECAST and (goals.cost_change or goals.speed_factor):
                break  # growth as a condition of a saving, not as the question
            return topic
    cheaper = _CHEAP.search(text) is not None
    if (goals.speed_factor or _FAST.search(text)) and not cheaper and not latency:
        return Topic.SPEED
    if _USAGE.search(text) and not cheaper:
        return Topic.USAGE
    return Topic.SAVINGS


def _models(text: str) -> tuple[str, ...]:
    found = (re.sub(r"\s+", "-", m.group(1).strip(" -.")).lower() for m in _MODEL.finditer(text))
    return tuple(dict.fromkeys(name for name in found if re.search(r"\d|-", name)))


def _features(text: str, models: tuple[str, ...]) -> tuple[str, ...]:
    named = [match.group(1).rstrip(".:/-") for match in _FEATURE.finditer(text)]
    named += [a or b for a, b in _IDENTIFIER.findall(text)]
    return tuple(dict.fromkeys(name for name in named if name and name.lower() not in models))


def _latency(text: str, features: tuple[str, ...]) -> tuple[LatencyWish, ...]:
    wishes: list[LatencyWish] = []
    for clause in _CLAUSE.split(text):
        match = _LATENCY.search(clause)
        if match is None:
            continue
        value = _number(match.group(1)) * (1.0 if match.group(2).lower().startswith("m") else 1e3)
        feature = next((f for f in features if re.search(rf"\b{re.escape(f)}\b", clause)), None)
        wishes.append(LatencyWish(feature=feature, max_ms=value, text=clause.strip(" .?!")))
    return tuple(wishes)


def _goals(text: str) -> Goals:
    cost: float | None = None
    traffic: float | None = None
    for match in _PERCENT.finditer(text):
        share = _number(match.group(2)) / 100
        before = text[max(0, match.start() - 40) : match.start()].lower()
        after = text[match.end() : match.end() + 30].lower()
        near = before.rsplit(",", 1)[-1] + after.split(",", 1)[0]
        if re.search(r"traffic|usage|grow|volume|requests|load|calls", near):
            traffic = -share if match.group(1) in "-−–" and match.group(1) else share
        elif re.search(r"cost|spend|cheap|bill|money|sav|less|cut|reduc", near):
            cost = -share
    return Goals(
        cost_change=cost,
        cost_cap=re.search(r"no more money|same (cost|budget|money)|without (paying|spending) more"
                           r"|at no extra cost|no extra cost", text, re.I) is not None,
        speed_factor=_speed(text),
        traffic_change=traffic,
        budget_usd=_budget(text),
        keep_quality=re.search(
            r"(equal|same|no loss (of|in)|keep(ing)?|without (losing|hurting)|unchanged) quality|"
            r"quality (as it is|unchanged|stays|must stay)|same results", text, re.I
        ) is not None,
    )  # fmt: skip


def _speed(text: str) -> float | None:
    match = _FASTER.search(text)
    if match is None:
        return None
    return _number(match.group(1)) if match.group(1) else _WORDS[match.group(2).lower()]


def _budget(text: str) -> float | None:
    match = _MONEY.search(text)
    if match is None:
        return None
    unit = (match.group(2) or "").lower()
    scale = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6}.get(unit, 1.0)
    return _number(match.group(1)) * scale


def _number(text: str) -> float:
    return float(text.replace(",", "."))
