"""Errors of the optimizer, a library of its own.

OptimizerError              OPT-000
├── InputError              OPT-1nn   a file or a row that cannot be read
├── PricingError            OPT-2nn   a model or a price that is not known
├── StoreError              OPT-3nn   the usage store
└── AnalysisError           OPT-4nn   an analysis that cannot be made
"""

from typing import ClassVar


class OptimizerError(Exception):
    """Root of the optimizer's errors: a stable `code`, one clear sentence, what to do."""

    code: ClassVar[str] = "OPT-000"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        hint = f" {self.hint}" if self.hint else ""
        return f"[{self.code}] {self.message}{hint}"


class InputError(OptimizerError):
    """A file, or what a user gave, cannot be used."""

    code = "OPT-100"


class PricingError(OptimizerError):
    """A model or a price is not known."""

    code = "OPT-200"


class StoreError(OptimizerError):
    """The usage store cannot do what was asked."""

    code = "OPT-300"


class AnalysisError(OptimizerError):
    """An analysis cannot be made of these records."""

    code = "OPT-400"
