"""Whether a secret can be one."""

import re
from typing import Final

MIN_CHARS: Final = 32
MIN_DISTINCT: Final = 8

_PLACEHOLDER: Final = re.compile(
    r"^\s*$"
    r"|change[-_ ]?(me|this|it)"
    r"|^[<\[{]?\s*your[-_ ]"
    r"|^[<\[{]?\s*(replace|insert|enter|put)(?=[-_ <>:]|me|with|$)"
    r"|^[<\[{]?\s*(to-?do|fixme|tbd|none|null|undefined|example|sample|dummy|placeholder)\b"
    r"|place-?holder"
    r"|^x{3,}|^\*{3,}|^<[^>]*>$",
    re.IGNORECASE,
)


def is_placeholder(text: str) -> bool:
    """True for what templates hold where a secret belongs, in any case."""
    return bool(_PLACEHOLDER.search(text))


def weakness(text: str) -> str | None:
    """Why a secret is too easily guessed, or None. Hexadecimal text is fine."""
    if len(text) < MIN_CHARS:
        return f"has {len(text)} characters; at least {MIN_CHARS} are needed"
    if len(set(text)) < MIN_DISTINCT:
        return f"has only {len(set(text))} different characters"
    if _period(text) <= len(text) // 4:
        return "repeats itself"
    return None


def _period(text: str) -> int:
    """The length of the shortest piece of which the text is made by repetition."""
    doubled = (text + text).find(text, 1)
    return doubled if doubled > 0 else len(text)
