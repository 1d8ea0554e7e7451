"""What is to change and by how much: each amount belongs to the nearest word of its clause."""

import re
from enum import Enum
from itertools import islice
from typing import Final

import msgspec

from netra_backend.reasoner.amounts import (
    MOST_AMOUNTS,
    NUMBER,
    Amount,
    Form,
    amounts,
    before_of,
    number,
)
from netra_backend.reasoner.intent import MOST, Goals, RateLimit


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
    r"[,;:]\s+|[.?!]\s+|\s+(?:and|but|while|whereas|although|though|even if|without|when|if)\s+"
    r"|\s+with(?=\s+[\d+−-])",
    re.I,
)
_UP: Final = re.compile(
    r"\b(?:more|higher|up|rise[sn]?|rising|rose|increas\w*|grow\w*|grew|jump\w*|spik\w*|doubl\w*|"
    r"tripl\w*|explod\w*|additional|extra|dearer|over)\b",
    re.I,
)
_DOWN: Final = re.compile(
    r"\b(?:less|lower\w*|down|fall\w*|fell|drop\w*|decreas\w*|reduc\w*|cut\w*|shrink\w*|sav\w*|"
    r"cheap\w*|halv\w*|trim\w*|slash\w*|improv\w*|fewer|los(?:e|es|ing))\b|[-−–]\s*$",
    re.I,
)
_UNWANTED: Final = re.compile(
    r"\b(?:do(?:es)?n['’]?t|do(?:es)? not|not|no|never) (?:really |even )?"
    r"(?:need|want|have|look\w*|ask\w*|try\w*|expect\w*)\b"
    r"|\bthan (?:gpt|claude|gemini|llama|mistral|deepseek|qwen|grok|o\d)[\w.-]*\b",
    re.I,
)
"""What such a clause names is no goal: nor is it how one model compares with another."""
_PAST: Final = re.compile(
    r"\b(?:grew|rose|fell|jumped|climbed|shrank|dropped|went (?:up|down))\b"
    r"|\b(?:has|have|had)(?: \w+){0,2}? (?:grown|risen|fallen|gone|shrunk|cut|(?!need|want)\w+ed)\b"
    r"|\b(?:was|were)\b|\balready (?:cut|\w+ed)\b"
    r"|\bsince\b.{0,60}\b(?:is|are) (?:up|down)\b|\b(?:is|are) (?:up|down)\b.{0,60}\bsince\b"
    r"|\b(?:doubled|tripled|quadrupled|increased|decreased)\b.{0,60}"
    r"\b(?:since|last|this|ago|yesterday|already)\b",
    re.I,
)
_WISHED: Final = re.compile(
    r"\b(?:will|next|expect\w*|plan\w*|going to|would|want\w*|need\w*|should|must|how|can|could"
    r"|get|bring|make|target|goal)\b",
    re.I,
)
_COSTS_GROW: Final = re.compile(
    r"\b(costs?|spend(?:ing)?|bills?|prices?|invoices?|latenc(?:y|ies))"
    r"((?: (?:has|have|had|is|are|will|would|may|might|could|can|must|should|not|also|already)"
    r"){0,3}) gr(?:ow(?:s|n|ing)?|ew)\b",
    re.I,
)
_UNIT: Final = re.compile(
    r"\b(?:per|each|every) (?:request|call|user|customer|quer)(?:s|y|ies)?\b", re.I
)
_LITTLE: Final = re.compile(r"\s*(?:(?:the|our|my|of|off|its|as|more|less|fewer)\s+){0,2}", re.I)
"""What stands between an amount and its own word: half the cost."""
_ALLOWED: Final = re.compile(
    r"\b(?:(?-i:may)|can|could|at most|up to|no more than|not more than)\b", re.I
)
_CAP: Final = re.compile(
    r"\bno more (?:money|cost|spend)\b|\bsame (?:costs?|budget|money|bill|spend|price)\b"
    r"|\b(?:can'?t|can ?not|won'?t|don'?t|not|never|without|no)\b[\w' ]{0,24}?"
    r"\b(?:spend|pay|cost)(?:ing)?(?: any)? (?:more|extra)(?: money)?\b(?! than\b)"
    r"|\b(?:without|no|not|never|don'?t)\b[\w' ]{0,12}?\b(?:increas|rais|grow|add|higher|bigger|"
    r"extra|additional)\w*(?: to)?(?: the| our| my| any)? (?:costs?|spend(?:ing)?|bills?|budget)"
    r"\b(?! by\b)"
    r"|\b(?:costs?|spend|bill|budget) (?:(?:must |should )?stays? )?(?:flat|unchanged)\b"
    r"|\bflat (?:costs?|spend|bill|budget)\b"
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
    r"exceed(?:ing)?|budget(?: of| is)?|up to|by|at)\W*$",
    re.I,
)
_NO_BOUND: Final = re.compile(
    r"\b(?:we|i) (?:now |currently |already )?(?:pay|paid|spend|spent)\W*(?:\w+\W+){0,2}?$"
    r"|\bsav(?:e|es|ing)\W*(?:\w+\W+){0,3}?$"
    r"|\b(?:reduc|cut|lower|drop|trim|decreas)\w*\b[^.;]{0,40}\bby\W*$",
    re.I,
)
"""Before an amount that is paid now, or is to be saved."""
_A_MINUTE: Final = r"(?:/|per|a|each)\s*min(?:ute)?\b"
_RATE_OF: Final = re.compile(
    r"\W*(?:a|per|an|each|every|/)\W*(?:call|request|query|user|(?:\w+ )?tokens?|answer)\b", re.I
)
"""A price, no budget."""
_RATE: Final = re.compile(
    rf"{NUMBER}\s*(k|m)?\s*(rpm\b|tpm\b|(?:requests?|calls|tokens?)"
    rf"(?:\s*{_A_MINUTE}|(?=\s*(?:,|/|\+|and|&|or)\s*\d[\d.,]{{0,20}}\s*[km]?\s*"
    rf"(?:requests?|calls|tokens?)\s*{_A_MINUTE})))",
    re.I,
)
"""500 requests and 100k tokens a minute are two."""
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
    told = _COSTS_GROW.sub(r"\1\2 rising", _UNIT.sub("", _CAP.sub(" ; ", text)))
    for clause in _CLAUSE.split(told):
        if _UNWANTED.search(clause) or (_PAST.search(clause) and not _WISHED.search(clause)):
            continue
        subjects = list(_SUBJECT.finditer(clause))
        for amount in amounts(clause):
            subject, word = _subject(subjects, clause, amount)
            if subject is None:
                continue
            name, value = _goal(subject, word, clause, amount)
            if value is not None and (name != "traffic" or value > -1):
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
        for match in islice(_RATE.finditer(sentence), MOST_AMOUNTS):
            if len(found) >= MOST:
                break
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


def _subject(
    subjects: list[re.Match[str]], clause: str, amount: Amount
) -> tuple[Subject | None, str]:
    """Of the words nearest to the amount; a factor of two words as near is of the one after it."""
    best: tuple[int, int] | None = None
    found: tuple[Subject | None, str] = None, ""
    little = _LITTLE.match(clause, amount.end)
    begins = little.end() if little else amount.end
    for match in subjects:
        assert match.lastgroup is not None
        after = match.start() >= amount.end
        gap = match.start() - begins if after else amount.start - match.end()
        rank = (max(gap, 0), 0 if after else 1)
        if best is None or rank < best:
            best, found = rank, (Subject[match.lastgroup], match[0].lower())
    return found


def _goal(subject: Subject, word: str, clause: str, amount: Amount) -> tuple[str, float | None]:
    match subject:
        case Subject.COST:
            return "cost", _cost(clause, amount)
        case Subject.TRAFFIC:
            return "traffic", _traffic(clause, amount)
        case Subject.LATENCY if word == "slower" or amount.sign > 0 or _rises(clause):
            return "speed", None  # what is allowed, or a complaint
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
            if amount.value <= 1 or not _DOWN.search(clause):
                return None  # twice as much is a complaint
            return 1 / amount.value - 1


def _rises(clause: str) -> bool:
    return _UP.search(clause) is not None and _DOWN.search(clause) is None


def _traffic(clause: str, amount: Amount) -> float:
    falls = amount.sign < 0 or (amount.sign == 0 and _falls(clause))
    match amount.form:
        case Form.SHARE:
            return -amount.value if falls else amount.value
        case Form.REST:
            return amount.value - 1
        case Form.FACTOR:
            return (1 / amount.value if falls and amount.value > 1 else amount.value) - 1


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
            return 1 / amount.value if 0 < amount.value <= 1 else None
        case Form.SHARE if subject is Subject.SPEED and amount.sign >= 0:
            return 1 + amount.value
        case Form.SHARE:
            return 1 / (1 - amount.value) if amount.value < 1 else None


def _budget(text: str) -> float | None:
    """USD a month: the amount to be kept to where several are named."""
    found = [
        match
        for match in islice(_MONEY.finditer(text), MOST_AMOUNTS)
        if not (
            _NO_BOUND.search(before_of(text, match.start())) or _RATE_OF.match(text, match.end())
        )
    ]
    if not found:
        return None
    bound = [match for match in found if _BOUND.search(before_of(text, match.start()))]
    match = (bound or found)[-1 if bound else 0]
    amount, unit = match[1] or match[3], match[2] or match[4] or ""
    scale = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6}.get(unit.lower(), 1.0)
    period = _PERIOD.match(text, match.end())
    return number(amount) * scale * (_A_MONTH[period[1][0].lower()] if period else 1.0)
