"""Errors of configuration; every message names key, source and reason, and never a secret."""

from collections.abc import Sequence

from netra_core.configuration.findings import Finding, by_severity, one_line
from netra_core.errors import ConfigurationError


class UnknownKeyError(ConfigurationError, KeyError):
    """No setting has this name."""

    code = "CFG-010"
    status = 404


class InvalidConfigurationError(ConfigurationError):
    """Values cannot be used; what was valid before stays in force."""

    code = "CFG-011"
    status = 422

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = by_severity(findings)
        remedies = dict.fromkeys(f.remedy for f in self.findings if f.remedy)
        super().__init__(one_line(self.findings), hint=" ".join(remedies))


class WrongTypeError(ConfigurationError):
    """A setting was asked for as a type that it is not."""

    code = "CFG-012"
    status = 422


class ConfigurationFileError(ConfigurationError):
    """A file of settings cannot be read."""

    code = "CFG-013"
    status = 422


class VetoError(ConfigurationError):
    """Somebody who uses the settings refused the new ones; the old stay in force."""

    code = "CFG-014"
    status = 409


class ScopeError(ConfigurationError):
    """A setting cannot be set for this scope, or the scope's owner has no usable name."""

    code = "CFG-015"
    status = 422


class HistoryError(ConfigurationError):
    """The history has no such revision."""

    code = "CFG-016"
    status = 404


class TamperedHistoryError(ConfigurationError):
    """The stored history is not what was written."""

    code = "CFG-017"


class EncryptionError(ConfigurationError):
    """A secret cannot be stored or read with the keys at hand."""

    code = "CFG-018"


class BackupError(ConfigurationError):
    """A backup cannot be written or read."""

    code = "CFG-019"
    status = 422


class RevisionConflictError(ConfigurationError):
    """Another node wrote a revision first."""

    code = "CFG-020"
    retryable = True
    status = 409


class StoreError(ConfigurationError):
    """The configuration store cannot be reached."""

    code = "CFG-021"
    retryable = True
    status = 503
