"""What tests stand on, here and in plugins: base classes, fixtures, conformance suites."""

from netra_core.testing.base import BaseIntegrationTest

__all__ = ["BaseIntegrationTest"]
