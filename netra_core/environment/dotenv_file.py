"""Files of variables in python-dotenv's grammar, with every bad line reported."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dotenv.parser import Binding, parse_stream
from dotenv.variables import parse_variables

from netra_core.environment.errors import EnvironmentFileError

MAX_FILE_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LineProblem:
    """One line that says nothing usable: its number from 1, and why. Never its text."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class FileReport:
    """What became of a file: names set from it, names that were set before, bad lines."""

    path: Path
    loaded: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    problems: tuple[LineProblem, ...] = ()


@dataclass(slots=True)
class ParsedFile:
    """Variables of a file in its order, `${NAME}` expanded, and its bad lines."""

    values: dict[str, str] = field(default_factory=dict[str, str])
    problems: list[LineProblem] = field(default_factory=list[LineProblem])


def _read(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise EnvironmentFileError(
            f"{str(path)!r} cannot be read: {error.strerror or type(error).__name__}."
        ) from None
    if len(raw) > MAX_FILE_BYTES:
        raise EnvironmentFileError(f"{str(path)!r} is larger than {MAX_FILE_BYTES} bytes.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise EnvironmentFileError(f"{str(path)!r} is not UTF-8, line {line}.") from None


def _line_of(binding: Binding) -> int:
    text = binding.original.string
    leading = text[: len(text) - len(text.lstrip())]
    return binding.original.line + leading.replace("\r\n", "\n").replace("\r", "\n").count("\n")


def _reason(binding: Binding) -> str | None:
    if binding.error:
        return "not of the form NAME=value (is a quote left open?)"
    if binding.key is None:
        return None
    if binding.value is None:
        return f"{binding.key[:60]!r} has no '=' and no value"
    if "\0" in binding.key or "\0" in binding.value:
        return f"{binding.key[:60]!r} holds a NUL character"
    return None


def _bindings(text: str) -> Iterator[Binding]:
    # newline="" keeps CRLF inside quoted values: PEM keys survive byte for byte
    yield from parse_stream(io.StringIO(text, newline=""))


def parse_file(path: Path, known: Mapping[str, str]) -> ParsedFile:
    """Reads the file; `known` variables win over the file's own where `${NAME}` is expanded.

    Raises:
        EnvironmentFileError: the file is absent, unreadable, too large or not UTF-8.
    """
    parsed = ParsedFile()
    for binding in _bindings(_read(path)):
        if reason := _reason(binding):
            parsed.problems.append(LineProblem(_line_of(binding), reason))
        elif binding.key is not None and binding.value is not None:
            scope = {**parsed.values, **known}
            parsed.values[binding.key] = "".join(
                atom.resolve(scope) for atom in parse_variables(binding.value)
            )
    return parsed
