"""What is to change and by how much: each amount belongs to the nearest word of its clause."""

import re
from enum import Enum
from typing import Final

import msgspec

from netra_backend.reasoner.amounts import NUMBER, Amount, Form, amounts, number
from netra_backend.reasoner.intent import Goals, RateLimit


class Subject(Enum):
    """What an amount can be about."""

    COST = "cost"
    SPEED = "speed"
    LATENCY = "latency"
    TRAFFIC = "traffic"


_SUBJECTS: Final = (
    (
        Subject.COST,
        r"costs?|spend(?:ing)?|bills?|cheap(?:er|ly)?|expensive|dear(?:er)?|money|sav(?:e|es|ing|"
        r"ings)|pay(?:ing)?|budget|price|invoice",
    ),
    (Subject.SPEED, r"fast(?:er|est)?|quick(?:er|est|ly)?|speed(?:s|ing)?|snappier"),
    (
        Subject.LATENCY,
        r"latenc(?:y|ies)|slow(?:er|est)?|response times?|wait(?:s|ing)?|time to first token|ttft|"
        r"p50|p90|p95|p99|(?:the|that|its|their) time|run ?times?|durations?",
    ),
    (
        Subject.TRAFFIC,
        r"traffic|usage|volume|requests?|load|calls?|users|customers|queries|demand|grow(?:s|th|"
        r"ing|n)?|growth",
    ),
)
_SUBJECT: Final = re.compile(
    "|".join(rf"(?P<{subject.name}>\b(?:{words})\b)" for subject, words in _SUBJECTS), re.I
)
_CLAUSE: Final = re.compile(
    r"[,;:]\s+|[.?!]\s+|\s+(?:and|but|while|whereas|although|though|even if|without|when|if)\s+",
    re.I,
)
_UP: Final = re.compile(
    r"\b(?:more|higher|up|rise[sn]?|rising|rose|increas\w*|grow\w*|grew|jump\w*|spik\w*|doubl\w*|"
    r"tripl\w*|explod\w*|additional|extra|dearer|over)\b",
    re.I,
)
_DOWN: Final = re.compile(
    r"\b(?:less|lower\w*|down|fall\w*|fell|drop\w*|decreas\w*|reduc\w*|cut\w*|shrink\w*|sav\w*|"
    r"cheaper|halv\w*|trim\w*|slash\w*|improv\w*|fewer)\b|[-−–]\s*$",
    re.I,
)
_ALLOWED: Final = re.compile(
    r"\b(?:(?-i:may)|can|could|at most|up to|no more than|not more than)\b", re.I
)
_CAP: Final = re.compile(
    r"\bno more (?:money|cost|spend)\b|\bsame (?:costs?|budget|money|bill|spend|price)\b"
    r"|\b(?:can'?t|can ?not|won'?t|don'?t|not|never|without|no)\b[\w' ]{0,24}?"
    r"\b(?:spend|pay|cost)(?:ing)?(?: any)? (?:more|extra)(?: money)?\b"
    r"|\b(?:without|no|not|never|don'?t)\b[\w' ]{0,12}?\b(?:increas|rais|grow|add|higher|bigger|"
    r"extra|additional)\w*(?: to)?(?: the| our| my| any)? (?:costs?|spend(?:ing)?|bills?|budget)\b"
    r"|\bcost[- ]neutral\b|\bat no (?:extra|additional) (?:cost|charge)\b",
    re.I,
)
_QUALITY: Final = re.compile(
    r"\b(?:equal|same|no loss (?:of|in)|keep(?:ing)?(?: the)?|without (?:losing|hurting|losses? of)"
    r"|unchanged|not (?:hurt|lose|losing)) (?:the |any |our )?quality|"
    r"quality (?:as it is|the same|unchanged|equal|up|high|stays|must stay|intact|constant)|"
    r"same results|as good|no worse as|no worse|quality (?:must|should|may) not",
    re.I,
)
_MONEY: Final = re.compile(
    rf"(?:\$|usd\s?)\s?{NUMBER}\s*(k|thousand|m|million)?\b"
    rf"|{NUMBER}\s*(k|thousand|m|million)?\s*(?:dollars|usd|bucks)\b",
    re.I,
)
_BOUND: Final = re.compile(
    r"\b(?:to|under|below|within|most|max(?:imum)?|cap(?: of| at)?|limit(?: of| is)?|than|"
    r"exceed(?:ing)?|budget(?: of| is)?|up to|by)\W*$",
    re.I,
)
_RATE: Final = re.compile(
    rf"{NUMBER}\s*(k|m)?\s*(rpm|tpm|(?:requests?|calls|tokens?)\s*(?:/|per|a|each)\s*min(?:ute)?)\b",
    re.I,
)
_PERIOD: Final = re.compile(
    r"\W*(?:a|per|an|each|every|/)?\W*(day|daily|week|weekly|quarter|quarterly|year|yearly|annum|"
    r"annually)\b",
    re.I,
)
_A_MONTH: Final = {"d": 30.44, "w": 30.44 / 7, "q": 1 / 3, "y": 1 / 12, "a": 1 / 12}
"""Months have 30.44 days here, as in every other figure a month."""


def goals_of(text: str) -> Goals:
    """The goals of a question; what names no amount is none."""
    capped = _CAP.search(text) is not None
    found: dict[str, float] = {}
    for clause in _CLAUSE.split(_CAP.sub(" ; ", text)):
        for amount in amounts(clause):
            subject = _subject(clause, amount)
            if subject is None:
                continue
            name, value = _goal(subject, clause, amount)
            if value is not None:
                found.setdefault(name, value)
    return Goals(
        cost_change=found.get("cost"),
        cost_cap=capped,
        speed_factor=found.get("speed"),
        traffic_change=found.get("traffic"),
        budget_usd=_budget(text),
        keep_quality=_QUALITY.search(text) is not None,
    )


def limits_of(text: str, models: tuple[str, ...]) -> tuple[RateLimit, ...]:
    """Limits a minute, each of the model that its sentence names before it, else of every model."""
    found: dict[str | None, RateLimit] = {}
    for sentence in re.split(r"[;.?!]\s+|,\s+(?=\D)", text):
        for match in _RATE.finditer(sentence):
            before = sentence[: match.start()].lower()
            named = [model for model in models if _place(before, model) >= 0]
            if not named:
                named = [model for model in models if _place(sentence.lower(), model) >= 0]
            model = max(named, key=lambda name: _place(sentence.lower(), name)) if named else None
            scale = {"k": 1e3, "m": 1e6}.get((match[2] or "").lower(), 1.0)
            field = "requests" if match[3].lower()[0] in "rc" else "tokens"
            limit = found.get(model) or RateLimit(model=model)
            value = number(match[1]) * scale
            if value > 0:
                found[model] = msgspec.structs.replace(limit, **{field: value})
    return tuple(found.values())


def _place(text: str, model: str) -> int:
    """Where a model is named last, written with hyphens or spaces; -1 nowhere."""
    return max(text.rfind(model), text.rfind(model.replace("-", " ")))


def speaks_of_speed(text: str) -> bool:
    """Whether a question is about how long calls take."""
    return any(m.lastgroup in ("SPEED", "LATENCY") for m in _SUBJECT.finditer(text))


def speaks_of_cost(text: str) -> bool:
    """Whether it is about money, a promise to spend no more set aside."""
    return any(m.lastgroup == "COST" for m in _SUBJECT.finditer(_CAP.sub(" ", text)))


def _subject(clause: str, amount: Amount) -> Subject | None:
    """Of the words nearest to the amount; a factor of two words as near is of the one after it."""
    best: tuple[int, int] | None = None
    found: Subject | None = None
    for match in _SUBJECT.finditer(clause):
        assert match.lastgroup is not None
        after = match.start() >= amount.end
        gap = match.start() - amount.end if after else amount.start - match.end()
        rank = (max(gap, 0), 0 if after else 1)
        if best is None or rank < best:
            best, found = rank, Subject[match.lastgroup]
    return found


def _goal(subject: Subject, clause: str, amount: Amount) -> tuple[str, float | None]:
    match subject:
        case Subject.COST:
            return "cost", _cost(clause, amount)
        case Subject.TRAFFIC:
            return "traffic", _traffic(clause, amount)
        case _:
            return "speed", _speed(subject, amount)


def _cost(clause: str, amount: Amount) -> float | None:
    """-0.2: a fifth less. A rise is a goal only where one is allowed; else it is a complaint."""
    rises = amount.sign > 0 or (amount.sign == 0 and _rises(clause))
    match amount.form:
        case Form.SHARE if rises:
            return amount.value if amount.sign > 0 or _ALLOWED.search(clause) else None
        case Form.SHARE:
            return -amount.value if amount.value <= 1 else None
        case Form.REST:
            return amount.value - 1
        case Form.FACTOR:
            if rises or amount.value <= 1:
                return None
            return 1 / amount.value - 1


def _rises(clause: str) -> bool:
    return _UP.search(clause) is not None and _DOWN.search(clause) is None


def _traffic(clause: str, amount: Amount) -> float:
    falls = amount.sign < 0 or (amount.sign == 0 and _falls(clause))
    match amount.form:
        case Form.SHARE:
            return -amount.value if falls else amount.value
        case Form.REST:
            return amount.value - 1 if falls or amount.value != 0.5 else -0.5
        case Form.FACTOR:
            return amount.value - 1


def _falls(clause: str) -> bool:
    return _DOWN.search(clause) is not None and _UP.search(clause) is None


def _speed(subject: Subject, amount: Amount) -> float | None:
    """How many times as fast."""
    match amount.form:
        case Form.FACTOR:
            return (
                amount.value if amount.value >= 1 else (1 / amount.value if amount.value else None)
            )
        case Form.REST:
            return 1 / amount.value
        case Form.SHARE if subject is Subject.SPEED and amount.sign >= 0:
            return 1 + amount.value
        case Form.SHARE:
            return 1 / (1 - amount.value) if amount.value < 1 else None


def _budget(text: str) -> float | None:
    """USD a month: the amount to be kept to where several are named."""
    found = list(_MONEY.finditer(text))
    if not found:
        return None
    bound = [match for match in found if _BOUND.search(text[: match.start()])]
    match = (bound or found)[-1 if bound else 0]
    amount, unit = match[1] or match[3], match[2] or match[4] or ""
    scale = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6}.get(unit.lower(), 1.0)
    period = _PERIOD.match(text, match.end())
    return number(amount) * scale * (_A_MONTH[period[1][0].lower()] if period else 1.0)
