"""Which names and texts hold secrets, and what is shown in their place."""

import re
from typing import Final

MASK: Final = "********"

_SECRET_NAME: Final = re.compile(
    r"secret|passw(or)?d|passphrase|token|credential|private|fernet|authorization|cookie"
    r"|(api|access|signing|encryption|service|jwt|secret)[_-]?key|(^|[_-])key$|[_-]dsn$|(^|_)pwd$",
    re.IGNORECASE,
)
_HARMLESS_NAME: Final = re.compile(
    r"(tokens|_ttl(_s)?|token_count|_id|key_id|max_tokens|input_tokens|output_tokens)$",
    re.IGNORECASE,
)
_TEXT_SECRETS: Final = (
    # the password may hold '@' and '/': everything up to the last '@' of the word is taken
    (re.compile(r"(\b[a-zA-Z][\w+.-]*://)[^\s'\"<>]*@"), rf"\1{MASK}@"),
    (re.compile(r"([?&](?:password|sslpassword|token|secret|key)=)[^&\s'\"]+", re.I), rf"\1{MASK}"),
    (
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S
        ),
        MASK,
    ),
    (
        re.compile(
            r"""(["'][\w.-]*(?:secret|password|passwd|token|api_?key|private_?key)["']\s*:\s*)"""
            r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""",
            re.IGNORECASE,
        ),
        rf'\1"{MASK}"',
    ),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+"), MASK),
    (re.compile(r"\b(?:sk|pk|rk|xox[abp]|gh[pousr])[-_][\w-]{16,}"), MASK),
    (re.compile(r"(\b(?:Bearer|Basic)\s+)[\w.~+/=-]{8,}", re.I), rf"\1{MASK}"),
)


def is_secret_name(name: str) -> bool:
    """True when a value of this name is to be masked wherever it is shown."""
    return bool(_SECRET_NAME.search(name)) and not _HARMLESS_NAME.search(name)


def redact_text(text: str) -> str:
    """The text with credentials of URLs, tokens, API keys and private keys replaced."""
    for pattern, replacement in _TEXT_SECRETS:
        text = pattern.sub(replacement, text)
    return text


def mask_value(name: str, value: str) -> str:
    """What may be shown of a variable's value: all of it, its harmless part, or the mask."""
    return MASK if value and is_secret_name(name) else redact_text(value)
