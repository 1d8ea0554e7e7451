"""Keeping secrets out of whatever is written: by name, by form, and by known value."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from netra_core.environment.masking import MASK, is_secret_name, redact_text

MIN_SECRET_CHARS: Final = 6
"""Shorter values are not searched for in texts: masking them would garble ordinary words."""


class Redactor:
    """Masks values under secret names, texts that look like credentials, and known secrets."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: tuple[str, ...] = ()
        self.know(secrets)

    def know(self, secrets: Iterable[str]) -> None:
        """From now on also masks these values, wherever they stand."""
        fresh = {s for s in secrets if len(s) >= MIN_SECRET_CHARS}.difference(self._secrets)
        if fresh:
            self._secrets = tuple(sorted((*self._secrets, *fresh), key=len, reverse=True))

    def text(self, text: str) -> str:
        """The text without secrets."""
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, MASK)
        return redact_text(text)

    def value(self, value: Any) -> Any:  # Any: whatever is logged
        """A copy of a JSON-like value without secrets; other objects by their redacted text."""
        match value:
            case str():
                return self.text(value)
            case None | bool() | int() | float():
                return value
            case bytes():
                return self.text(value.decode("utf-8", "replace"))
            case Mapping():
                return {str(k): self.named(str(k), v) for k, v in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self.value(item) for item in value]
            case _:
                return self.text(str(value))

    def named(self, name: str, value: Any) -> Any:  # Any: whatever is logged
        """What may be shown of a value that has a name."""
        if value is not None and not isinstance(value, bool) and is_secret_name(name):
            return MASK
        return self.value(value)
