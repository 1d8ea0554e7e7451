"""Lists in pages: newest first or oldest first, continued by an opaque cursor."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar

from netra_backend.errors import InvalidRequestError

T = TypeVar("T")
MAX_PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last row of the page before: its time and its id."""

    at: datetime
    id: str

    def encode(self) -> str:
        """As it travels."""
        return base64.urlsafe_b64encode(f"{self.at.isoformat()}|{self.id}".encode()).decode()

    @classmethod
    def decode(cls, text: str | None) -> "Cursor | None":
        """From what a client sent back. Raises InvalidRequestError."""
        if not text:
            return None
        try:
            at, _, row_id = base64.urlsafe_b64decode(text.encode()).decode().partition("|")
            moment = datetime.fromisoformat(at)
        except (ValueError, binascii.Error, UnicodeError) as error:
            raise InvalidRequestError(
                "The cursor is not one of ours.", hint="Use `next` of the page before, unchanged."
            ) from error
        if moment.tzinfo is None:
            raise InvalidRequestError("The cursor is not one of ours.")
        return cls(moment, row_id)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows, and the cursor of what follows; None at the end."""

    items: Sequence[T]
    next: str | None
