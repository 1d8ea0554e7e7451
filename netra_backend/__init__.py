"""The platform service: agents, runs, jobs, chat, HTTP and WebSocket API.

Names are loaded at their first use, so that the tables can be had without the service.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netra_backend.api.app import create_app
    from netra_backend.dependencies import BackendDependencies, BackendOptions
    from netra_backend.identity import TokenRules
    from netra_backend.runs.limits import RunLimits

_HOMES = {
    "create_app": "api.app",
    "BackendDependencies": "dependencies",
    "BackendOptions": "dependencies",
    "RunLimits": "runs.limits",
    "TokenRules": "identity",
}

__all__ = ["BackendDependencies", "BackendOptions", "RunLimits", "TokenRules", "create_app"]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
