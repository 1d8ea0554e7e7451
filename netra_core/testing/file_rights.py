"""What files allow, shown to a user who is not above it."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

_NOBODY: Final = 65534


@contextmanager
def as_ordinary_user() -> Generator[None]:
    """Run a block as a user to whom the rights of files apply.

    The superuser may write to any file: it becomes nobody for the block, in all threads of the
    process. Everybody else stays who they are.
    """
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
