"""docs/errors.md, made from the error classes themselves: `python -m netra_apex.error_page`."""

import importlib
import pkgutil
from pathlib import Path

from netra_core.errors import ApexError
from netra_optimizer.errors import OptimizerError

PACKAGES = ("netra_core", "netra_optimizer", "netra_auth", "netra_backend", "netra_apex")
PAGE = Path(__file__).parents[1] / "docs" / "errors.md"
HEAD = """# Errors

Every error has a stable code. An answer over HTTP carries it in its problem details (RFC 9457), the
command line prints it at the end of the line, the log in its field `code`. *Retry* says whether the
same call may succeed later; what to do about the case at hand stands in the error itself, as `hint`
over HTTP and behind the message elsewhere. This page is made from the code by
`python -m netra_apex.error_page`.

Three kinds come from no error of ours: API-500 is a fault that nobody foresaw, of which the log of
the server says more; APX-503 is the web process's, when no node answers it; any other `API-` stands
for the HTTP status that it ends with.

| code | name | HTTP | retry | meaning |
|---|---|---|---|---|
"""

ErrorClass = type[ApexError] | type[OptimizerError]


def error_classes() -> list[ErrorClass]:
    """All error classes of the services and the optimizer."""
    for package in PACKAGES:
        for module in pkgutil.walk_packages(
            importlib.import_module(package).__path__, f"{package}."
        ):
            if not any(part in module.name for part in (".tests", ".migrations.", ".__main__")):
                importlib.import_module(module.name)
    found: list[ErrorClass] = []
    waiting: list[ErrorClass] = [ApexError, OptimizerError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.startswith(PACKAGES):
            found.append(kind)
    return sorted(found, key=lambda kind: (kind.code, kind.__name__))


def render() -> str:
    """The whole page."""
    return HEAD + "".join(_row(kind) for kind in error_classes())


def _row(kind: ErrorClass) -> str:
    meaning = (kind.__doc__ or "").strip().splitlines()[0] if kind.__doc__ else ""
    status = str(getattr(kind, "status", "")) or "–"
    retry = "yes" if kind.retryable else "no"
    anchor = f'<a id="{kind.code.lower()}"></a>{kind.code}'
    return f"| {anchor} | {kind.__name__} | {status} | {retry} | {meaning.replace('|', '/')} |\n"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
