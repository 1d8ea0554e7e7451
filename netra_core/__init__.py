"""The foundation every Apex service stands on."""

from netra_core.context import Role, UserExecutionContext
from netra_core.errors import ApexError

__all__ = ["ApexError", "Role", "UserExecutionContext"]
