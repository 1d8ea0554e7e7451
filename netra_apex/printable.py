"""Texts without what would command a terminal."""

import re
from typing import Final

COMMANDS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters but for tab and line feed, and those that turn the direction of writing."""


def printable(text: str) -> str:
    """The text without them."""
    return COMMANDS.sub("", text)
