"""All configuration: typed, layered, audited."""

from netra_core.configuration.cross_service import CrossServiceConfigValidator, ServiceConfiguration
from netra_core.configuration.errors import (
    BackupError,
    ConfigurationFileError,
    EncryptionError,
    HistoryError,
    InvalidConfigurationError,
    RevisionConflictError,
    ScopeError,
    StoreError,
    TamperedHistoryError,
    UnknownKeyError,
    VetoError,
    WrongTypeError,
)
from netra_core.configuration.factory import ConfigurationManagerFactory
from netra_core.configuration.findings import Finding
from netra_core.configuration.keys import Key, KeyTable, all_keys
from netra_core.configuration.layers import Source
from netra_core.configuration.load import load_settings
from netra_core.configuration.manager import UnifiedConfigurationManager
from netra_core.configuration.open import open_configuration, store_url
from netra_core.configuration.schema import Reload, Scope, Service, Settings, Severity
from netra_core.configuration.secrets import ensure_secrets
from netra_core.configuration.store import MemoryRevisionStore, RevisionStore, open_store
from netra_core.configuration.subscribers import ConfigurationChange, Subscriber
from netra_core.configuration.views import ChangeResult, Explanation, HistoryRow, ShownChange

__all__ = [
    "BackupError",
    "ChangeResult",
    "ConfigurationChange",
    "ConfigurationFileError",
    "ConfigurationManagerFactory",
    "CrossServiceConfigValidator",
    "EncryptionError",
    "Explanation",
    "Finding",
    "HistoryError",
    "HistoryRow",
    "InvalidConfigurationError",
    "Key",
    "KeyTable",
    "MemoryRevisionStore",
    "Reload",
    "RevisionConflictError",
    "RevisionStore",
    "Scope",
    "ScopeError",
    "Service",
    "ServiceConfiguration",
    "Settings",
    "Severity",
    "ShownChange",
    "Source",
    "StoreError",
    "Subscriber",
    "TamperedHistoryError",
    "UnifiedConfigurationManager",
    "UnknownKeyError",
    "VetoError",
    "WrongTypeError",
    "all_keys",
    "ensure_secrets",
    "load_settings",
    "open_configuration",
    "open_store",
    "store_url",
]
