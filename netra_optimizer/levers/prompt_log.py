"""Prompts in full, read from logs that hold them: the text, its blocks, the question at its end.

Read beside the records and joined to them by `prompt_hash`; texts are never stored.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import msgspec

from netra_optimizer.errors import InputError
from netra_optimizer.levers.like_hits import Question
from netra_optimizer.usage.importers import Options, RowImporter, recognize
from netra_optimizer.usage.importers.values import canonical, json_or, mapping
from netra_optimizer.usage.record import UsageRecord
from netra_optimizer.usage.sources import sources_of

Json = dict[str, Any]  # Any: a JSON object as a provider takes it
_TOOL_KEYS: Final = frozenset(("description", "parameters", "input_schema", "inputSchema"))
MAX_TEXT: Final = 64_000_000
"""Characters of prompts that are looked at, in the order of the files."""
_REQUESTS: Final = (
    "request", "req", "request_body", "requestBody", "input_body", "kwargs", "proxy_server_request",
)  # fmt: skip
_LAYOUT: Final = (
    "tools", "functions", "system", "instructions", "systemInstruction", "messages", "input",
    "contents", "prompt",
)  # fmt: skip
_DELIVERY: Final = frozenset(
    ("model", "stream", "stream_options", "user", "metadata", "store", "timeout")
)


@dataclass(frozen=True)
class Block:
    """A part of a prompt as the request names it: tools[2], system, messages[5]."""

    name: str
    start: int
    """Where its own text begins in the prompt, in characters."""
    end: int
    plain: int
    """Equal for blocks that differ in the order of JSON keys alone; 0 where that means nothing."""


@dataclass(frozen=True)
class PromptText:
    """One call's prompt in full, laid out as providers cache it (tools, system, messages).

    `at` is in seconds. `cached`, `written_5m`, `written_1h`: tokens as billed. `input_tokens` is 0
    where the source counts none; lengths are then estimated at four bytes a token.
    """

    conversation: str
    at: float
    text: str
    blocks: tuple[Block, ...] = ()
    feature: str = ""
    model: str = ""
    provider: str = ""
    input_tokens: int = 0
    cached: int = 0
    written_5m: int = 0
    written_1h: int = 0
    prompt_hash: str = ""
    question: Question | None = None


def read_prompts(
    paths: Sequence[Path | str], *, model: str | None = None, limit: int = 50_000
) -> Iterator[PromptText]:
    """Prompts of logs that hold full texts (sessions, requests); other files give none.

    `model` is what calls ran on where the file does not say. At most `limit` prompts and MAX_TEXT
    characters are read.
    """
    given = size = 0
    for path in paths:
        for prompt in _prompts_of(Path(path), model or ""):
            given, size = given + 1, size + len(prompt.text)
            if given > limit or size > MAX_TEXT:
                return
            yield prompt


def request_blocks(request: Mapping[str, Any]) -> tuple[str, tuple[Block, ...]]:
    """The prompt's text with its blocks; keys of JSON keep the order in which they were sent."""
    texts: list[str] = []
    blocks: list[Block] = []
    at = 0
    for name, head, body, plain in _pieces(request):
        start = at + len(head)
        texts.append(head + body)
        blocks.append(Block(name, start, start + len(body), hash(plain)))
        at = start + len(body) + 1
    return "\n".join(texts), tuple(blocks)


def last_question(request: Mapping[str, Any]) -> Question | None:
    """What the user asked last and a digest of all the rest; None where it is not plain text."""
    for key in ("messages", "input"):
        turns = request.get(key)
        if isinstance(turns, str) and turns:
            return Question(_digest(request, key, ""), turns)
        if not isinstance(turns, list) or not turns or not isinstance(turns[-1], Mapping):
            continue
        last = turns[-1]
        content = last.get("content")
        if last.get("role") != "user":
            return None
        if isinstance(content, list) and len(content) == 1 and isinstance(content[0], Mapping):
            content = content[0].get("text") if len(content[0]) == 2 else None
        if not isinstance(content, str) or not content.strip():
            return None
        return Question(_digest(request, key, [*turns[:-1], {"role": "user"}]), content)
    prompt = request.get("prompt")
    return Question(_digest(request, "prompt", ""), prompt) if isinstance(prompt, str) else None


def _digest(request: Mapping[str, Any], key: str, without: object) -> str:
    rest = {name: value for name, value in request.items() if name not in _DELIVERY}
    return blake2b(canonical(rest | {key: without}).encode(), digest_size=12).hexdigest()


def _pieces(request: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """(name, head, text, canonical text) of each block in the order of the prompt."""
    for key in _LAYOUT:
        value = request.get(key)
        if value is None or value == "" or value == []:
            continue
        if not isinstance(value, list):
            yield (key, "", *_text(value))
            continue
        for at, item in enumerate(value):
            if not isinstance(item, Mapping):
                yield (f"{key}[{at}]", "", *_text(item))
            else:
                yield from _turn(f"{key}[{at}]", item)


def _turn(name: str, item: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """A message by its contents, anything else whole."""
    role, content = item.get("role"), item.get("content")
    if isinstance(role, str) and set(item) <= {"role", "content"}:
        if isinstance(content, str):
            yield (name, f"{role}: ", content, content)
            return
        if isinstance(content, list):
            for at, part in enumerate(content):
                yield (f"{name}.content[{at}]", f"{role}: " if at == 0 else "", *_text(part))
            return
    yield (name, "", *_text(item))


def _text(value: object) -> tuple[str, str]:
    if isinstance(value, str):
        return value, value
    if isinstance(value, Mapping):
        said = value.get("text")
        if isinstance(said, str) and set(value) <= {"type", "text", "cache_control"}:
            return said, said
    return msgspec.json.encode(value).decode(), canonical(value)


def _prompts_of(path: Path, model: str) -> Iterator[PromptText]:
    sources = sources_of(path)
    options = Options(now=datetime.now(UTC), model=model, timezone=UTC)
    for source in sources:
        try:
            importer, rows = recognize(source)
        except InputError:
            if len(sources) == 1:
                raise
            continue  # what lies in a folder beside logs
        if not any(_asked(row) for row in rows.sample):
            continue
        for row in rows.dicts():
            asked = _asked(row) if isinstance(row, dict) else None
            if asked is None or not isinstance(row, dict):
                continue
            found = importer.outcomes(row, options) if isinstance(importer, RowImporter) else ()
            record = next((one for one in found if isinstance(one, UsageRecord)), None)
            prompt = _prompt(row, asked, record)
            if prompt.text:
                yield prompt


def _prompt(row: Json, asked: Json | str, record: UsageRecord | None) -> PromptText:
    request = {"input": asked} if isinstance(asked, str) else asked
    text, blocks = request_blocks(request)
    if isinstance(asked, str):
        blocks = _tool_lines(asked)
    question = last_question(request)
    if record is None:
        return PromptText(str(row.get("session_id") or ""), 0.0, text, blocks, question=question)
    return PromptText(
        conversation=record.conversation,
        at=record.start.timestamp(),
        text=text,
        blocks=blocks,
        feature=record.feature,
        model=record.model,
        provider=record.provider,
        input_tokens=_counted(record, asked),
        cached=record.cache_read,
        written_5m=record.cache_write_5m,
        written_1h=record.cache_write_1h,
        prompt_hash=record.prompt_hash,
        question=question,
    )


def is_tool(value: object) -> bool:
    """Whether a JSON value describes a tool, as OpenAI, Anthropic and others write them."""
    if not isinstance(value, Mapping):
        return False
    inner = value.get("function")
    described = inner if isinstance(inner, Mapping) else value
    return "name" in described and bool(_TOOL_KEYS & described.keys())


def _tool_lines(text: str) -> tuple[Block, ...]:
    """Blocks of a bare text: its lines that describe tools, and the text between them."""
    blocks: list[Block] = []
    at = found = 0
    for line in text.split("\n"):
        start, at = at, at + len(line) + 1
        value = json_or(line, None) if line[:1] == "{" and '"name"' in line else None
        if is_tool(value):
            if start:
                blocks.append(Block("text", 0, start - 1, 0))
            blocks.append(Block(f"tools[{found}]", start, at - 1, hash(canonical(value))))
            found += 1
    return (*blocks, Block("text", 0, len(text), 0)) if found > 1 else ()


def _counted(record: UsageRecord, asked: Json | str) -> int:
    """Input tokens as the source counts them; 0 for sessions in text, which are estimates."""
    if isinstance(asked, str):
        return 0
    counted = record.input_uncached + record.cache_read
    return counted + record.cache_write_5m + record.cache_write_1h


def _asked(row: Json) -> Json | str | None:
    """The request of a row: its body, or the bare text of a session."""
    for key in _REQUESTS:
        body = mapping(row.get(key))
        inner = mapping(body.get("body"))
        for found in (inner, body):
            if any(found.get(name) for name in ("messages", "input", "contents", "prompt")):
                return dict(found)
    value = row.get("messages") or row.get("input")
    if isinstance(value, str):
        parsed = json_or(value, value) if value[:1] in "[{" else value
        if isinstance(parsed, str):
            return parsed if "session_id" in row else None
        value = parsed
    if isinstance(value, list) and value and isinstance(value[0], dict):
        tools = row.get("tools")
        return {"messages": value} | ({"tools": tools} if isinstance(tools, list) else {})
    if isinstance(value, dict) and value.get("messages"):
        return value
    return None
