"""Threads, their messages, and the runs that messages begin."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from netra_backend.api.edge import Analyst, Person, PlatformDep
from netra_backend.api.models import (
    AcceptedOut,
    MessageOut,
    MessagePage,
    NewMessage,
    NewThread,
    ThreadOut,
    ThreadPage,
)
from netra_backend.api.problems import RESPONSES, Problem

router = APIRouter(prefix="/api/threads", tags=["chat"], responses=RESPONSES)
Limit = Annotated[int, Query(ge=1, le=200)]


@router.post("", status_code=201)
async def create_thread(body: NewThread, caller: Analyst, platform: PlatformDep) -> ThreadOut:
    """Make an empty thread."""
    return ThreadOut.of(await platform.chat_store.create_thread(caller.ctx, body.title))


@router.get("")
async def list_threads(
    caller: Person, platform: PlatformDep, limit: Limit = 50, after: str | None = None
) -> ThreadPage:
    """List my threads."""
    page = await platform.chat_store.threads(caller.ctx, limit=limit, after=after)
    return ThreadPage(items=[ThreadOut.of(thread) for thread in page.items], next=page.next)


@router.get("/{thread_id}")
async def get_thread(thread_id: str, caller: Person, platform: PlatformDep) -> ThreadOut:
    """Give one of my threads."""
    return ThreadOut.of(await platform.chat_store.thread(caller.ctx, thread_id))


@router.delete(
    "/{thread_id}",
    status_code=204,
    responses={409: {"model": Problem, "description": "A run of it does not stop."}},
)
async def delete_thread(thread_id: str, caller: Analyst, platform: PlatformDep) -> Response:
    """Delete one of my threads for good: its messages, its runs and their events, its state."""
    await platform.erasure.thread(caller.ctx, thread_id)
    return Response(status_code=204)


@router.get("/{thread_id}/messages")
async def list_messages(
    thread_id: str,
    caller: Person,
    platform: PlatformDep,
    limit: Limit = 200,
    after: Annotated[int, Query(ge=0)] = 0,
) -> MessagePage:
    """List the messages of one of my threads."""
    page = await platform.chat_store.messages(
        caller.ctx, thread_id, limit=limit, after_position=after
    )
    return MessagePage(items=[MessageOut.of(message) for message in page.items], next=page.next)


@router.post(
    "/{thread_id}/messages",
    status_code=202,
    responses={409: {"model": Problem, "description": "A run works in this thread."}},
)
async def send_message(
    thread_id: str, body: NewMessage, caller: Analyst, platform: PlatformDep
) -> AcceptedOut:
    """Send a message; its run begins at once or waits for its turn."""
    accepted = await platform.chat.send(
        caller.ctx,
        content=body.content,
        client_message_id=body.client_message_id,
        thread_id=thread_id,
        while_busy=body.while_busy,
    )
    return AcceptedOut(
        thread_id=accepted.thread_id, run_id=accepted.run_id, duplicate=accepted.duplicate
    )
