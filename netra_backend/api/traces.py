"""OTLP over HTTP: spans of calls to models become usage."""

import asyncio
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from netra_backend.api.edge import PlatformDep, UsageWriter
from netra_backend.api.problems import RESPONSES, Problem
from netra_backend.errors import BodyTooSlowError, UploadTooLargeError
from netra_backend.usage.bounds import Held
from netra_backend.usage.ingest import MAX_BODY

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
        408: {"model": Problem, "description": "The body did not come in time."},
        413: {"model": Problem, "description": "The body is too large."},
    },
    openapi_extra={"requestBody": {"required": True, "content": _CONTENT}},
)
async def export_traces(request: Request, caller: UsageWriter, platform: PlatformDep) -> Response:
    """Take an OTLP/HTTP export of traces, protobuf or JSON, also gzipped; answer when stored."""
    ingest = platform.ingest
    ingest.require_room()
    media_type = request.headers.get("content-type", PROTOBUF)
    ingest.bodies.require_room(_declared(request))
    with ingest.bodies.body(caller.ctx.workspace_id) as held:
        body = await _body(request, held, within_s=ingest.body_within_s)
        platform.verifier.require_still(caller.identity)
        spans = await ingest.take(
            caller.ctx,
            body,
            held,
            content_type=media_type,
            content_encoding=request.headers.get("content-encoding", ""),
        )
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


def _declared(request: Request) -> int:
    """Bytes of the body, as far as they are said. Raises UploadTooLargeError."""
    text = request.headers.get("content-length", "")
    size = int(text) if text.isdigit() and len(text) < 20 else 0
    if size > MAX_BODY:
        raise _too_large()
    return size


async def _body(request: Request, held: Held, *, within_s: float) -> bytearray:
    """The body as it was sent, counted as it comes.

    Raises BodyTooSlowError for one that takes longer: what has come of it keeps others out.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(within_s):
            async for chunk in request.stream():
                if len(body) + len(chunk) > MAX_BODY:
                    raise _too_large()
                held.take(len(chunk))
                body += chunk
    except TimeoutError:
        raise BodyTooSlowError(
            f"The body did not come within {within_s:g} seconds.", hint="Send smaller batches."
        ) from None
    return body


def _too_large() -> UploadTooLargeError:
    return UploadTooLargeError(
        f"An export has at most {MAX_BODY:,} bytes.", hint="Send smaller batches."
    )
