"""Environment variables: the only door to them, and what they say about where we run."""

from netra_core.environment.dotenv_file import FileReport, LineProblem
from netra_core.environment.errors import (
    EnvironmentFileError,
    InvalidVariableError,
    MissingVariableError,
    UnknownEnvironmentError,
)
from netra_core.environment.isolated import IsolatedEnvironment, VariableChange, get_env
from netra_core.environment.masking import MASK, is_secret_name, mask_value, redact_text
from netra_core.environment.names import ENVIRONMENT_VARIABLE, Environment
from netra_core.environment.redactor import Redactor

__all__ = [
    "ENVIRONMENT_VARIABLE",
    "MASK",
    "Environment",
    "EnvironmentFileError",
    "FileReport",
    "InvalidVariableError",
    "IsolatedEnvironment",
    "LineProblem",
    "MissingVariableError",
    "Redactor",
    "UnknownEnvironmentError",
    "VariableChange",
    "get_env",
    "is_secret_name",
    "mask_value",
    "redact_text",
]
