"""How an error ends a command: one clear line on standard error, never a traceback."""

import errno
import sys
from typing import NoReturn

from netra_apex.printable import printable
from netra_core.errors import ApexError
from netra_optimizer.errors import OptimizerError
from netra_optimizer.usage.errors import BadOption


def exit_with(error: BaseException) -> NoReturn:
    """Print the error in one line; exit code 2 for an option that means nothing, 1 otherwise."""
    print(f"apex: {describe(error)}", file=sys.stderr)  # noqa: T201
    raise SystemExit(2 if isinstance(error, BadOption) else 1) from None


def describe(error: BaseException) -> str:
    """The error in one line: message, what to do, code."""
    if isinstance(error, ApexError | OptimizerError):
        message = error.message
        if error.hint:
            message = f"{message}{'' if message.endswith(('.', '!', '?')) else '.'} {error.hint}"
        return _line(f"{message} [{error.code}]")
    if isinstance(error, ModuleNotFoundError) and not (error.name or "netra_").startswith("netra_"):
        return needs_server(error.name or "")
    if isinstance(error, MemoryError):
        return "not enough memory for this work"
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            where += ". Free space and start again; what was acknowledged is kept. [DB-007]"
        return _line(f"{error.strerror}{where}")
    return _line(f"unexpected {type(error).__name__}: {error}")


def needs_server(missing: str) -> str:
    """What to do where a module of the server part is missing."""
    return (
        f"the module {missing!r} is not installed. Install the server part: "
        'pip install "netra-apex[server]"'
    )


def _line(text: str) -> str:
    return printable(" ".join(text.split()))
