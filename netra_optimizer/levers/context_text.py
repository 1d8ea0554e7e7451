"""What prompts carry needlessly, read from their texts: passages twice, tools that nobody calls.

A passage stands twice when a run of lines comes again in the same prompt (a file that was read
again). A tool's definition is a line of JSON at the head of the prompt, as requests lay it out.
"""

from collections import defaultdict
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from netra_optimizer.levers.prefix_text import BYTES_A_TOKEN, PromptText

RUN: Final = 6
"""Lines that make a passage."""
MIN_PASSAGE: Final = 240
"""Characters below which a run of lines is boilerplate."""
NAMED_TOOLS: Final = 8
SHOWN: Final = 80


@dataclass
class ContextText:
    """Over all prompts; tokens are estimated at four bytes of text."""

    calls: int = 0
    tokens: int = 0
    repeated_calls: int = 0
    """Calls whose prompt holds a passage more than once."""
    repeated_tokens: int = 0
    example: str = ""
    """Where the dearest repeated passage begins."""
    tool_tokens: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """What each tool's definition took, over all calls that carried it."""

    def unused(self, used: Set[str]) -> dict[str, int]:
        """Tokens of the tools that were defined and never called, dearest first."""
        never = {name: tokens for name, tokens in self.tool_tokens.items() if name not in used}
        return dict(sorted(never.items(), key=lambda item: (-item[1], item[0])))

    def evidence(self, used: Set[str], input_usd: float) -> dict[str, Any]:
        """Plain figures for a report; money at `input_usd` a token, as if nothing were cached."""
        unused = self.unused(used) if used else {}
        return {
            "repeated_passages_calls": self.repeated_calls,
            "repeated_passages_tokens": self.repeated_tokens,
            "repeated_passages_usd": self.repeated_tokens * input_usd,
            "repeated_passage": self.example,
            "tool_definitions_tokens": sum(self.tool_tokens.values()),
            "unused_tools": list(unused)[:NAMED_TOOLS],
            "unused_tools_tokens": sum(unused.values()),
            "unused_tools_usd": sum(unused.values()) * input_usd,
        }

    def notes(self, used: Set[str], input_usd: float) -> list[str]:
        """What is worth a sentence."""
        told = self.evidence(used, input_usd)
        said: list[str] = []
        if self.repeated_tokens:
            said.append(
                f"In {self.repeated_calls} of {self.calls} calls the prompt holds a passage more "
                f"than once (a file read again): about {self.repeated_tokens:,} tokens, "
                f"${told['repeated_passages_usd']:.2f} at the plain price. Drop the older reading."
            )
        if told["unused_tools"]:
            said.append(
                f"Tools that are offered and never called: {', '.join(told['unused_tools'])}. "
                f"Their definitions take about {told['unused_tools_tokens']:,} tokens, "
                f"${told['unused_tools_usd']:.2f} at the plain price. Offer them where needed."
            )
        return said


def read_context(prompts: Iterable[PromptText]) -> ContextText:
    """Look through all prompts; one that carries the last one on is read from where that ended."""
    found = ContextText()
    last: dict[str, _Read] = {}
    largest = 0
    for prompt in sorted(prompts, key=lambda p: (p.at, p.conversation)):
        found.calls += 1
        found.tokens += len(prompt.text) // BYTES_A_TOKEN
        for name, size in _tools(prompt.text):
            found.tool_tokens[name] += size // BYTES_A_TOKEN
        lines = prompt.text.replace("\\n", "\n").split("\n")
        read = last.get(prompt.conversation)
        if read is None or not read.carried_on(lines):
            read = last[prompt.conversation] = _Read()
        read.add(lines)
        if read.repeated:
            found.repeated_calls += 1
            found.repeated_tokens += read.repeated // BYTES_A_TOKEN
            if read.largest > largest:
                largest, found.example = read.largest, read.example
    return found


class _Read:
    """The lines of a prompt read so far, the runs among them, and what stood there before."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.first_at: dict[int, int] = {}
        self.repeated = 0
        self.largest = 0
        self.example = ""
        self._marked = 0
        self._passage = 0
        self._begin = ""

    def carried_on(self, lines: list[str]) -> bool:
        """Whether these begin with the lines read so far; the last of those may have grown."""
        before = len(self.lines) - 1
        return before >= 0 and lines[:before] == self.lines[:before]

    def add(self, lines: list[str]) -> None:
        """Read on: each run that came before, and does not overlap it, marks its lines."""
        begin = max(0, len(self.lines) - RUN)
        self.lines = lines
        for at in range(begin, len(lines) - RUN):  # the very last line may still grow
            run = lines[at : at + RUN]
            if sum(map(len, run)) < MIN_PASSAGE:
                continue
            name = hash(tuple(run))
            first = self.first_at.setdefault(name, at)
            if at < first + RUN:
                continue
            if at > self._marked or not self._passage:
                self._passage, self._begin = 0, max(run, key=len).strip()[:SHOWN]
            fresh = lines[max(at, self._marked) : at + RUN]
            size = sum(len(line) + 1 for line in fresh)
            self._marked = max(self._marked, at + RUN)
            self.repeated += size
            self._passage += size
            if self._passage > self.largest:
                self.largest, self.example = self._passage, self._begin


def _tools(text: str) -> list[tuple[str, int]]:
    """Name and size of each tool defined in the lines of JSON at the head of a prompt."""
    found: list[tuple[str, int]] = []
    begin = 0
    while text.startswith("{", begin):
        end = text.find("\n", begin)
        line = text[begin : end if end >= 0 else len(text)]
        name = _tool_name(line)
        if not name:
            break
        found.append((name, len(line)))
        if end < 0:
            break
        begin = end + 1
    return found


def _tool_name(line: str) -> str:
    try:
        tool = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return ""
    if not isinstance(tool, dict):
        return ""
    inner = tool.get("function")
    told = inner if isinstance(inner, dict) else tool
    described = any(key in told for key in ("input_schema", "parameters", "inputSchema"))
    name = told.get("name")
    return name if described and isinstance(name, str) else ""
