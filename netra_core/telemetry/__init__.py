"""Logs and metrics, with secrets kept out of both."""

from netra_core.environment import Redactor
from netra_core.telemetry.logs import configure_logging, get_logger
from netra_core.telemetry.metrics import Metrics

__all__ = ["Metrics", "Redactor", "configure_logging", "get_logger"]
