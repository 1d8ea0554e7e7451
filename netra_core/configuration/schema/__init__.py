"""The one annotated schema of all settings."""

from netra_core.configuration.schema.annotations import (
    Reload,
    Scope,
    Section,
    Service,
    Setting,
    Severity,
    setting_of,
)
from netra_core.configuration.schema.sections import (
    Auth,
    Database,
    Deployment,
    Http,
    Llm,
    Paths,
    Runs,
    Settings,
    Telemetry,
    Usage,
    WebSocket,
)

__all__ = [
    "Auth",
    "Database",
    "Deployment",
    "Http",
    "Llm",
    "Paths",
    "Reload",
    "Runs",
    "Scope",
    "Section",
    "Service",
    "Setting",
    "Settings",
    "Severity",
    "Telemetry",
    "Usage",
    "WebSocket",
    "setting_of",
]
