"""OTLP over HTTP: spans of calls to models become usage."""

from typing import Any, Final

import anyio.to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from netra_backend.api.edge import PlatformDep, UsageWriter
from netra_backend.api.problems import RESPONSES, Problem
from netra_backend.errors import UploadTooLargeError

MAX_BODY: Final = 64 * 1024 * 1024
PROTOBUF: Final = "application/x-protobuf"
_CONTENT: Final[dict[str, Any]] = {
    PROTOBUF: {"schema": {"type": "string", "format": "binary"}},
    "application/json": {"schema": {"type": "object"}},
}

router = APIRouter(tags=["usage"], responses=RESPONSES)


@router.post(
    "/v1/traces",
    response_class=Response,
    responses={
        200: {"description": "Stored; says how many spans were rejected.", "content": _CONTENT},
        400: {"model": Problem, "description": "The body is no OTLP."},
        413: {"model": Problem, "description": "The body is too large."},
    },
    openapi_extra={"requestBody": {"required": True, "content": _CONTENT}},
)
async def export_traces(request: Request, caller: UsageWriter, platform: PlatformDep) -> Response:
    """Take an OTLP/HTTP export of traces, protobuf or JSON, also gzipped; answer when stored."""
    platform.ingest.require_room()
    body = await _body(request)
    media_type = request.headers.get("content-type", PROTOBUF)
    encoding = request.headers.get("content-encoding", "")

    def decode() -> Any:  # Any: the importers are loaded at their first use
        from netra_optimizer.usage.importers import decode_traces

        return decode_traces(
            body, content_type=media_type, content_encoding=encoding, limit=MAX_BODY
        )

    spans = await anyio.to_thread.run_sync(decode, limiter=platform.ingest.decoders)
    await platform.ingest.add(caller.ctx, spans.records)
    from google.protobuf.json_format import MessageToJson
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    answer = ExportTraceServiceResponse()
    if spans.rejected:
        answer.partial_success.rejected_spans = spans.rejected
        answer.partial_success.error_message = "; ".join(
            f"{reason}: {count}" for reason, count in spans.dropped.items()
        )
    if media_type.startswith("application/json"):
        return Response(MessageToJson(answer, indent=None), media_type="application/json")
    return Response(answer.SerializeToString(), media_type=PROTOBUF)


async def _body(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY:
            raise UploadTooLargeError(f"An export has at most {MAX_BODY:,} bytes.")
        parts.append(chunk)
    return b"".join(parts)
