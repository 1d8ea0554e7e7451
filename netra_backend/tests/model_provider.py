"""A server on loopback that speaks OpenAI's chat protocol and answers what a test tells it to."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from netra_core.testing.servers import running


@dataclass
class Provider:
    """`answers` are given in turn, the last one for ever: a form filled in, or an HTTP status.

    Where a stream is wanted the form comes in pieces of `piece` characters, each after `pace`.
    """

    url: str = ""
    answers: list[dict[str, Any] | int] = field(default_factory=list[Any])
    asked: list[dict[str, Any]] = field(default_factory=list[Any])
    keys: list[str] = field(default_factory=list[str])
    piece: int = 7
    pace: Callable[[], Awaitable[None]] | None = None

    @property
    def questions(self) -> list[str]:
        """The last message of each request."""
        return [request["messages"][-1]["content"] for request in self.asked]

    async def answer(self, request: Request) -> Response:
        """One completion: the form as a call of the tool that was offered."""
        asked = await request.json()
        self.asked.append(asked)
        self.keys.append(request.headers["authorization"].removeprefix("Bearer "))
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if isinstance(answer, int):
            message = f"no, and your key is {self.keys[-1]}"
            return JSONResponse({"error": {"message": message}}, answer)
        call = {
            "id": "call_1",
            "type": "function",
            "function": {
                "name": asked["tools"][0]["function"]["name"],
                "arguments": json.dumps(answer),
            },
        }
        usage = {
            "prompt_tokens": 700,
            "completion_tokens": 40,
            "total_tokens": 740,
            "prompt_tokens_details": {"cached_tokens": 512},
        }
        head = {"id": f"chatcmpl-{len(self.asked)}", "created": 1795168800}
        head["model"] = asked["model"]
        if asked.get("stream"):
            chunks = self._chunks({**head, "object": "chat.completion.chunk"}, call, usage)
            return StreamingResponse(chunks, media_type="text/event-stream")
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        choice = {"index": 0, "finish_reason": "tool_calls", "message": message}
        whole = {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
        return JSONResponse(whole)

    async def _chunks(
        self, head: dict[str, Any], call: dict[str, Any], usage: dict[str, Any]
    ) -> AsyncGenerator[str]:
        form: str = call["function"]["arguments"]
        begun = {**call, "index": 0, "function": {**call["function"], "arguments": ""}}
        deltas: list[dict[str, Any]] = [{"role": "assistant", "tool_calls": [begun]}]
        for start in range(0, len(form), self.piece):
            more = {"arguments": form[start : start + self.piece]}
            deltas.append({"tool_calls": [{"index": 0, "function": more}]})
        for number, delta in enumerate([*deltas, {}]):
            if self.pace is not None:
                await self.pace()
            finish = "tool_calls" if number == len(deltas) else None
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            yield f"data: {json.dumps({**head, 'choices': [choice]})}\n\n"
        yield f"data: {json.dumps({**head, 'choices': [], 'usage': usage})}\n\n"
        yield "data: [DONE]\n\n"


@asynccontextmanager
async def model_provider(*answers: dict[str, Any] | int) -> AsyncGenerator[Provider]:
    """The provider, served; its `url` is what a client takes as base URL."""
    provider, app = Provider(answers=list(answers)), FastAPI()
    app.post("/v1/chat/completions")(provider.answer)
    async with running(app) as server:
        provider.url = f"{server.url}/v1"
        yield provider
