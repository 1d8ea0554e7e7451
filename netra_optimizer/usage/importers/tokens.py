"""The ten disjoint buckets of one call, and the dividing of a total into them."""

from typing import Final

import msgspec


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """The ten disjoint buckets of one call."""

    input_uncached: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output_text: int = 0
    reasoning: int = 0
    audio_in: int = 0
    audio_out: int = 0
    image_in: int = 0
    image_out: int = 0

    @property
    def input_tokens(self) -> int:
        """All input."""
        return (
            self.input_uncached + self.cache_read + self.cache_write_5m + self.cache_write_1h
            + self.audio_in + self.image_in
        )  # fmt: skip

    @property
    def output_tokens(self) -> int:
        """All output."""
        return self.output_text + self.reasoning + self.audio_out + self.image_out


NOTHING: Final = Tokens()


class Dividing:
    """A total being divided: no part takes more than is left, so the parts sum to it."""

    def __init__(self, total: int) -> None:
        self.rest = total

    def take(self, wanted: int) -> int:
        """As much of `wanted` as is left."""
        taken = min(max(wanted, 0), self.rest)
        self.rest -= taken
        return taken
