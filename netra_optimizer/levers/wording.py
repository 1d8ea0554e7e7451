"""What a question says once its manners are gone: words that must agree before an answer serves.

Vectors put "older than 30 days" beside "younger than 30 days" and Berlin to Oslo beside Oslo to
Berlin. So a kept answer is looked for only among questions whose wording is the same: the same
words in the same phrases, numbers, names, negations, tense and directions included. Phrases may
change places, endings may differ, and the frame ("could you tell me", "how can I") is dropped.
English alone is understood; of other languages only the words themselves are compared, in order.
"""

import re
import unicodedata
from typing import Final

Wording = tuple[tuple[str, ...], ...]
"""Phrases, sorted; equal for questions that may share an answer."""

_TOKEN: Final = re.compile(
    r"\d+(?:[.,:/-]\d+)*|[^\W\d_]+(?:'[^\W\d_]+)?|[$€£¥%+#@&<>=*/^-]|[,;:.?!]"
)
_STOPS: Final = frozenset(",;:.?!")
_EXPANDED: Final = (
    (re.compile(r"[’`´]"), "'"),
    (re.compile(r"\bcan't\b|\bcannot\b"), "can not"),
    (re.compile(r"\bwon't\b"), "will not"),
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"\b(i|we|you|they)'d\b"), r"\1 would"),
    (re.compile(r"\b(\w+)'ll\b"), r"\1 will"),
    (re.compile(r"\b(\w+)'re\b"), r"\1 are"),
    (re.compile(r"\b(\w+)'ve\b"), r"\1 have"),
    (re.compile(r"\bi'm\b"), "i am"),
    (re.compile(r"\b(what|where|who|when|how|it|that|there|which)'s\b"), r"\1 is"),
    (re.compile(r"'s\b|s'(?=\s)"), " 's"),
)
_START: Final = r"(?:^|(?<=[.?!;])|(?<=[.?!;,] )|(?<=[.?!;,] and ))\s*"
_MANNERS: Final = re.compile(
    r"\b(?:please|kindly|thanks|thank you|hello|hi there|hi|hey)\b[ ,!]*"
    r"|[ ,]*\b(?:for me|at the moment|right now)\b(?=[.?!]*$)"
)
_ASKS_HOW: Final = re.compile(
    _START + r"(?:how (?:do|can|could|would|should|must|may) (?:i|we|one|you)(?: go about)?"
    r"|how (?:i|we|one) (?:can|could|should|may)|how to"
    r"|what (?:do|can|should|must|would) (?:i|we|one) (?:(?:need|have) to )?do to"
    r"|what (?:is|are) (?:the|a) (?:way|ways|steps) (?:to|of)|is there a way to)\b"
)
_HOW_AT_THE_END: Final = re.compile(
    r"[,;. ]+(?:and )?how(?: (?:do|can|would) (?:i|we) (?:do|go about) (?:it|that|this)"
    r"| (?:does|would) (?:it|that|this) work)?[ ?.!]*$"
)
_HOW_MANY: Final = re.compile(r"\b(?:what (?:is the )?number of|which number of)\b")
_MAY_I: Final = re.compile(
    _START + r"(?:is it possible (?:for me )?to|am i able to|am i allowed to"
    r"|(?:can|could|may|might) (?:i|we|one))\b"
)
_FRAMES: Final = re.compile(
    _START + r"(?:(?:can|could|would|will) you|do you know"
    r"|(?:tell|show|give) (?:me|us)(?: whether| if)?|let me know"
    r"|i (?:would like|want|need|wish)(?: you)? to(?: know)?|i am trying to|help me(?: to)?"
    r"|explain(?: to me)?(?= how| what| why| when| where)"
    r"|(?:what|which|who) (?:is|are)(?= the | my | our | your ))"
    r"(?=[ ,])"
)
_DROPPED: Final = frozenset(
    "a an the is are am be been being do does it of or and that this these those there here so as "
    "also just currently now right would 's".split()
)
_PAST: Final = frozenset(("did", "was", "were", "had"))
_OUGHT: Final = frozenset(("should", "must", "ought", "shall"))
_MARKS: Final = frozenset(
    "not no never none nobody nothing neither nor except only without can may who whom whose when "
    "where why how what which will".split()
)
_BOUND: Final = frozenset(
    "from to before after since until till by above below over under against between than "
    "with on off up down out into onto through within via toward towards across behind past "
    "versus vs".split()
)
_NEUTRAL: Final = frozenset("in at for about regarding concerning during".split())
_SAME: Final[dict[str, str]] = {
    "could": "can", "might": "may", "me": "i", "us": "we", "our": "my", "ours": "my", "mine": "my",
    "yours": "your", "which": "what", "zero": "0", "two": "2", "three": "3", "four": "4",
    "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10", "eleven": "11",
    "twelve": "12",
}  # fmt: skip
_ENGLISH: Final = (
    _DROPPED
    | _PAST
    | _OUGHT
    | _MARKS
    | _BOUND
    | _NEUTRAL
    | frozenset("i you we my your have has i me us it how what which please".split())
)
ENGLISH_SHARE: Final = 0.2
"""Share of common English words from which a text counts as English."""


def wording(text: str) -> Wording:
    """The phrases of a question; a text in another language is one phrase, word by word."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    for pattern, written in _EXPANDED:
        plain = pattern.sub(written, plain)
    words = _TOKEN.findall(plain)
    if not is_english(words):
        return (tuple(word for word in words if word not in _STOPS),)
    return tuple(sorted(_phrases(_without_frame(plain))))


def is_english(words: list[str]) -> bool:
    """Whether enough of the words are common English ones."""
    spoken = [word for word in words if word[0].isalpha()]
    return sum(word in _ENGLISH for word in spoken) >= max(1.0, ENGLISH_SHARE * len(spoken))


def _without_frame(plain: str) -> str:
    """The question without manners; `how ` or `can i ` stand for their many ways."""
    plain = " ".join(_MANNERS.sub(" ", plain).split())
    asks_how = _HOW_AT_THE_END.search(plain)
    if asks_how:
        plain = plain[: asks_how.start()]
    plain = _HOW_MANY.sub("how many", plain)
    for _ in range(4):
        shorter = _ASKS_HOW.sub(" how ", plain)
        shorter = _FRAMES.sub("", shorter).strip(" ,")
        if shorter == plain:
            break
        plain = shorter
    plain = _MAY_I.sub(" can i ", plain)
    if asks_how and " how " not in f" {plain} ":
        plain = f"how {plain}"
    return plain


def _phrases(plain: str) -> list[tuple[str, ...]]:
    """Cut at prepositions and stops; a preposition that tells a direction stays with its phrase."""
    phrases: list[tuple[str, ...]] = []
    phrase: list[str] = []
    bound = ""

    def close() -> None:
        nonlocal bound
        if phrase or bound:
            phrases.append((bound, *phrase))
            phrase.clear()
        bound = ""

    for token in _TOKEN.findall(plain):
        word = _SAME.get(token) or token
        if word in _STOPS or word in _NEUTRAL:
            close()
        elif word in _BOUND:
            if word == "to" and not phrase:
                continue
            close()
            bound = word
        elif word in _PAST or word in _OUGHT:
            phrases.append(("past" if word in _PAST else "ought", "!"))
        elif word == "not":
            phrases.append(("not", phrase[-1] if phrase else bound))
        elif word in _MARKS:
            phrases.append((word, "!"))
        elif word not in _DROPPED:
            phrase.append(_stem(word) if word.isalpha() else word)
    close()
    return phrases


def _stem(word: str) -> str:
    """Without the commonest endings; what is left need not be a word."""
    for ending in ("ing", "ied", "ies", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)] + ("y" if ending in ("ied", "ies") else "")
            break
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "aeious":
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word.endswith("e") else word
