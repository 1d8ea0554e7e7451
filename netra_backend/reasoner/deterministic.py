"""The reasoner that needs no model: the same question always means the same."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from netra_backend.reasoner.amounts import NUMBER, number
from netra_backend.reasoner.goals import goals_of, limits_of, speaks_of_cost, speaks_of_speed
from netra_backend.reasoner.intent import MOST, Goals, Intent, LatencyWish, Topic
from netra_backend.reasoner.port import Hearing

_NAME: Final = r"[A-Za-z0-9][\w./:-]*"
_NO_NAME: Final = (
    r"may|must|can|could|should|would|will|is|are|was|were|do|does|did|has|have|had|gets?|got|goes"
    r"|costs?|spends?|pays?|uses?|used|takes?|needs?|makes?|made|eats?|burns?|drives?|runs?|calls?"
    r"|fails?|failed|grows?|grew|rose|brings?|causes?|wastes?|saves?|benefits?|to|that|which|who"
    r"|where|with|without|and|or|but|if|in|on|of|for|from|by|at|as|than|per|a|an|the|this|our|we"
    r"|you|it|so|too|not|now|only|most|more|less|least|usage|tiers?|level"
)
"""Words that go on with the sentence after "feature" instead of naming one; in quotes they name."""
_FEATURE = re.compile(
    r"\b(?:feature|function|endpoint|service|segment|use case)s?\b\s*[,:]?\s*"
    rf"(?:[`'\"]({_NAME})[`'\"]|(?!(?:{_NO_NAME})\b)({_NAME}))",
    re.I,
)
_IDENTIFIER = re.compile(r"[`'\"]([\w./:-]{2,64})[`'\"]|\b([a-z][a-z0-9]*(?:_[a-z0-9]+)+)\b")
_MODEL = re.compile(
    r"\b((?:gpt|chatgpt|claude|gemini|llama|mistral|mixtral|deepseek|qwen|grok|command|nova|o\d)"
    r"(?:-[\w.]+)*(?:\s?\d(?:\.\d+)?o?(?![\w%×]|\s?(?:%|percent|times)|[.,]\d))?(?:-[\w.]+)*)",
    re.I,
)
_LATENCY = re.compile(rf"{NUMBER}\s*-?(ms|milliseconds?|msec|s|sec|secs|seconds?)\b", re.I)
_STATUS: Final = re.compile(r"[45]\d\ds", re.I)
"""Not so many seconds: HTTP errors in the plural."""
_SPELLED: Final = (
    (r"\bhalf a second\b", "0.5 s"),
    (r"\b(?:a )?quarter of a second\b", "0.25 s"),
    (r"\b(?:a )?tenth of a second\b", "0.1 s"),
    (r"\ba fifth of a second\b", "0.2 s"),
    (r"\b(?:a|one) second\b", "1 s"),
    (r"\btwo seconds\b", "2 s"),
    (r"\bthree seconds\b", "3 s"),
    (r"\bfive seconds\b", "5 s"),
    (r"\bten seconds\b", "10 s"),
)
_FROM_TO: Final = re.compile(
    rf"\bfrom\s+{NUMBER}\s*-?(?:ms|milliseconds?|msec|s|secs?|seconds?)?\s+(?:down\s+)?to\s+(?=\d)",
    re.I,
)
"""What it is now, before what it is to be."""
_BY: Final = re.compile(rf"\bby\s+{NUMBER}\s*-?(?:ms|milliseconds?|msec|s|secs?|seconds?)\b", re.I)
"""So much less, no bound."""
_CLAUSE = re.compile(r"[,;]\s+|\s+(?:and|but|while|whereas)\s+|\.\s+")
_CHANGED = re.compile(
    r"\b(upgrad|rollout|releas|deploy\w*|migrat|switch|chang|updat|roll(?:ed)?\s*back|revert|undo"
    r"|mov(?:e|ed|ing)\b|swapp?)",
    re.I,
)
_UNDO: Final = re.compile(
    r"\broll(?:ed|ing)?[ -]?(?:it |them |that )?back\b|\brevert|\bundo\b"
    r"|\bgo(?:ing)? back to (?:the )?(?:old|previous|former|last)\b|\bregret"
    r"|\bwas (?:it|the|that|our|\w+'s)\b.{0,300}\bworth\b"
    r"|\b(?:did|has|have)\b.{0,300}\b(?:pay|paid) off\b|\bworth it\b",
    re.I,
)
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DATE = re.compile(r"\b(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}))?")

_TOPICS: Final[tuple[tuple[Topic, str], ...]] = (
    (Topic.CACHE_AUDIT, r"\b(kv|prompt|prefix|response)?[ -]?cach(e|es|ing)\b"),
    (
        Topic.CHANGE_REVIEW,
        r"\broll(ed)?[ -]?back\b|\bworth it\b|\b(before|after|since|yesterday|last)\b.{0,300}"
        r"\b(upgrade|rollout|release|migration|switch|deploy\w*|change)\b|"
        r"\b(upgrad\w*|rollout|migration|switch\w*)\b.{0,300}"
        r"\b(worth|pay off|paid off|help|hurt|sense)\b|"
        r"\b(bill|cost|costs|spend|spending)\b.{0,300}"
        r"\b(doubled|tripled|jump(ed)?|exploded|spiked?|(go|goes|going|gone|went) up|rose|risen|"
        r"rising|increas(ed|ing)|climb\w*|suddenly)\b|"
        r"\bwhy\b.{0,300}\b(bill|costs?|spend|spending)\b.{0,300}"
        r"\b(double|triple|twice|higher|jump|rise|grow|explode|increase)\b",
    ),
    (
        Topic.CHARGEBACK,
        r"\b(charge|show)[ -]?back|\b(by|per|each) (department|team|customer|tenant|cost cent)|"
        r"\b(which|what) (departments?|teams?|customers?|tenants?) (cost|spend|use|pay)s?\b",
    ),
    (
        Topic.ERRORS,
        r"\berror|\bfail|\bretr(y|ies)|\btimeouts?\b|\brate limit(ed|ing)\b|\b[45]\d\ds\b|\b429\b|"
        r"\boutages?\b",
    ),
    (Topic.COMPLIANCE, r"\bhipaa\b|\bgdpr\b|\bphi\b|\bpii\b|\bcomplian"),
    (
        Topic.FORECAST,
        r"\bforecast|\bnext (month|quarter|year|week)\b|\bgrow(s|th|ing)?\b|\bproject(ed|ion)\b|"
        r"\brate limits?\b|\bcapacity\b|\bheadroom\b|\busage \+\s*\d|\bquotas?\b|\b(rpm|tpm)\b",
    ),
    (
        Topic.BUDGET,
        r"\bbudget\b|\bcap (of|at) \$|\b(hard|spending|monthly) (cap|limit)\b|"
        r"\bspend(ing)? limit\b|"
        r"\b(no|not \w+|never \w+|cannot \w+) more than (\$|usd|\d[\d,.]*\s*k?\s*(dollars|usd))|"
        r"\bexceed(ing)? (\$|usd|\d[\d,.]*\s*k?\s*(dollars|usd))|\bget (down )?to \$",
    ),
)  # fmt: skip
_MODEL_FIT: Final = re.compile(
    r"\bwould\b|\bshould\b|\bwhich\b|\bmove to\b|\bswitch to\b|\banother model\b|\binstead\b|"
    r"\btoo (dear|expensive|costly|much)\b|\breplace\b|\bcompare\b|\bwork in our\b|\bvariant\b|"
    r"\b(could|can) we (use|run|work)\b|\bwhat else\b|\bmigrat|\bgood enough\b",
    re.I,
)
_AWAY: Final = re.compile(
    r"\b(too (dear|expensive|costly|slow)|costs? (us )?too much)\b|\breplace\b|"
    r"\bmove (away|off)\b|\binstead of\b|\balternatives? to\b",
    re.I,
)
_USAGE: Final = re.compile(
    r"\bhow much\b|\boverview\b|\bbreakdown\b|\bsummary\b|\bwhat (do|did) we (spend|pay|use)\b|"
    r"\bwhere does\b.{0,300}\b(money|cost|spend)|\bspend(ing)? by\b|\bcosts? by\b|\busage by\b|"
    r"\bwho (spends|uses)\b|\b(costs?|spend|usage|tokens|calls) (per|for each|of each)\b|"
    r"\bhow many (calls|requests|tokens)\b|\bcost drivers?\b|"
    r"\bdrives? (our|the|my) (bill|cost|spend)|"
    r"\b(which|what|who|show|list|top)\b[^.?!]{0,60}\b(most expensive|costliest|dearest"
    r"|(costs?|spends?|pays?|eats?|burns?)\b[^.?!]{0,20}\bmost)\b|"
    r"\btop \d+\b[^.?!]{0,60}\bby (cost|spend)|"
    r"\bwhat (do|does|did)\b[^.?!]{0,60}\bcosts?\b",
    re.I,
)


_CHEAP: Final = re.compile(r"\bcheap|\bsav(e|ing)|\breduc|\bcut\b|\bless\b|\blower\b", re.I)


class DeterministicReasoner:
    """Understands by patterns; `now` fixes what "yesterday" means."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now

    @property
    def models(self) -> tuple[str, ...]:
        """None."""
        return ()

    async def understand(self, question: str, *, heard: Hearing | None = None) -> Intent:
        """See Reasoner."""
        text = " ".join(question.split())
        models = _models(text)
        features = _features(text, models)
        latency = _latency(text, features)
        goals = goals_of(text)
        return Intent(
            topic=_topic(text, models, goals, latency),
            question=text,
            features=features,
            models=models,
            latency=latency,
            goals=goals,
            change_at=self._change_at(text),
            limits=limits_of(text, models),
            away_from=bool(models) and _AWAY.search(text) is not None,
        )

    def _change_at(self, text: str) -> str | None:
        for match in _DATE.finditer(text):
            try:
                moment = datetime.fromisoformat(f"{match.group(1)}T{match.group(2) or '00:00'}")
            except ValueError:
                continue  # a 30th of February
            return moment.replace(tzinfo=UTC).isoformat()
        if not _CHANGED.search(text):
            return None
        midnight = self._now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        back = {"yesterday": 1, "today": 0, "last week": 7, "this week": midnight.weekday()}
        for word, days in back.items():
            if re.search(rf"\b{word}\b", text, re.I):
                return (midnight - timedelta(days=days)).isoformat()
        for weekday, name in enumerate(_WEEKDAYS):
            if re.search(rf"\b(?:on|since|last) {name}\b", text, re.I):
                days = (midnight.weekday() - weekday) % 7 or 7
                return (midnight - timedelta(days=days)).isoformat()
        return None


def _topic(
    text: str, models: tuple[str, ...], goals: Goals, latency: tuple[LatencyWish, ...]
) -> Topic:
    if _UNDO.search(text) and not re.search(_TOPICS[0][1], text, re.I):
        return Topic.CHANGE_REVIEW
    if models and _MODEL_FIT.search(text):
        return Topic.MODEL_FIT
    for topic, pattern in _TOPICS:
        if re.search(pattern, text, re.I):
            if topic is Topic.FORECAST and (goals.cost_change or goals.speed_factor):
                break  # growth as a condition of a saving, not as the question
            return topic
    costs = speaks_of_cost(text) or goals.cost_change is not None
    if speaks_of_speed(text) and not costs and not latency:
        return Topic.SPEED
    if _USAGE.search(text) and goals.cost_change is None and not _CHEAP.search(text):
        return Topic.USAGE
    return Topic.SAVINGS


def _models(text: str) -> tuple[str, ...]:
    found = (re.sub(r"\s+", "-", m.group(1).strip(" -.")).lower() for m in _MODEL.finditer(text))
    return tuple(dict.fromkeys(name for name in found if re.search(r"\d|-", name)))[:MOST]


def _features(text: str, models: tuple[str, ...]) -> tuple[str, ...]:
    named = [(quoted or bare).rstrip(".:/-") for quoted, bare in _FEATURE.findall(text)]
    named += [a or b for a, b in _IDENTIFIER.findall(text)]
    return tuple(dict.fromkeys(name for name in named if name and name.lower() not in models))[
        :MOST
    ]


def _latency(text: str, features: tuple[str, ...]) -> tuple[LatencyWish, ...]:
    """One wish for each bound, or for each of the features that share it."""
    for pattern, written in _SPELLED:
        text = re.sub(pattern, written, text, flags=re.I)
    wishes: list[LatencyWish] = []
    waiting: list[str] = []
    for clause in _CLAUSE.split(text):
        named = [f for f in features if re.search(rf"(?<![\w-]){re.escape(f)}(?![\w-])", clause)]
        match = _LATENCY.search(_BY.sub("", _FROM_TO.sub("to ", clause)))
        if match is None or _STATUS.fullmatch(match.group(0)):
            waiting = named if len(clause.split()) <= 3 else []
            continue
        value = number(match.group(1)) * (1.0 if match.group(2).lower().startswith("m") else 1e3)
        wishes += [
            LatencyWish(feature=feature, max_ms=value, text=clause.strip(" .?!"))
            for feature in [*waiting, *named] or [None]
        ]
        waiting = []
        if len(wishes) >= MOST:
            break
    return tuple(wishes[:MOST])
