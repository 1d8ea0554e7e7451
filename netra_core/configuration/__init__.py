"""All configuration: typed, layered, audited."""

from netra_core.configuration.errors import (
    ConfigurationFileError,
    InvalidConfigurationError,
    UnknownKeyError,
    VetoError,
    WrongTypeError,
)
from netra_core.configuration.findings import Finding
from netra_core.configuration.keys import Key, KeyTable, all_keys
from netra_core.configuration.layers import Source
from netra_core.configuration.load import load_settings
from netra_core.configuration.schema import Reload, Scope, Service, Settings, Severity
from netra_core.configuration.secrets import ensure_secrets

__all__ = [
    "ConfigurationFileError",
    "Finding",
    "InvalidConfigurationError",
    "Key",
    "KeyTable",
    "Reload",
    "Scope",
    "Service",
    "Settings",
    "Severity",
    "Source",
    "UnknownKeyError",
    "VetoError",
    "WrongTypeError",
    "all_keys",
    "ensure_secrets",
    "load_settings",
]
