"""Reports: one module for each kind of answer."""

from netra_backend.answers.write import write_report

__all__ = ["write_report"]
