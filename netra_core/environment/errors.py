"""What can be wrong with environment variables."""

from netra_core.errors import ConfigurationError


class MissingVariableError(ConfigurationError):
    """A variable that is needed is absent or empty."""

    code = "CFG-001"


class InvalidVariableError(ConfigurationError):
    """A name or a value cannot be an environment variable."""

    code = "CFG-002"


class UnknownEnvironmentError(ConfigurationError):
    """The environment has a name that nobody knows."""

    code = "CFG-003"


class EnvironmentFileError(ConfigurationError):
    """A file of variables cannot be read."""

    code = "CFG-004"
