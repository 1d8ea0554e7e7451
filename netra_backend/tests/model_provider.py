"""A server on loopback that speaks OpenAI's chat protocol and answers what a test tells it to."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from netra_core.testing.servers import running


@dataclass
class Provider:
    """`answers` are given in turn, the last one for ever: a form filled in, or an HTTP status."""

    url: str = ""
    answers: list[dict[str, Any] | int] = field(default_factory=list[Any])
    asked: list[dict[str, Any]] = field(default_factory=list[Any])
    keys: list[str] = field(default_factory=list[str])

    @property
    def questions(self) -> list[str]:
        """The last message of each request."""
        return [request["messages"][-1]["content"] for request in self.asked]

    async def answer(self, request: Request) -> JSONResponse:
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
        choice = {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {"role": "assistant", "content": None, "tool_calls": [call]},
        }
        usage = {
            "prompt_tokens": 700,
            "completion_tokens": 40,
            "total_tokens": 740,
            "prompt_tokens_details": {"cached_tokens": 512},
        }
        return JSONResponse(
            {
                "id": f"chatcmpl-{len(self.asked)}",
                "object": "chat.completion",
                "created": 1795168800,
                "model": asked["model"],
                "choices": [choice],
                "usage": usage,
            }
        )


@asynccontextmanager
async def model_provider(*answers: dict[str, Any] | int) -> AsyncGenerator[Provider]:
    """The provider, served; its `url` is what a client takes as base URL."""
    provider, app = Provider(answers=list(answers)), FastAPI()
    app.post("/v1/chat/completions")(provider.answer)
    async with running(app) as server:
        provider.url = f"{server.url}/v1"
        yield provider
