"""The request guard: a body that trickles, a length that lies, and what is not HTTP."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.types import ASGIApp, Message, Scope

from src.serving.request_guard import RequestGuard, RequestLimits

LIMITS = RequestLimits(body_bytes=100, batch_bytes=200, body_s=300)


def guarded(counted: list[int], api_key: str = "", limits: RequestLimits = LIMITS) -> FastAPI:
    """An application that says how large a body was, behind the guard."""
    app = FastAPI()

    @app.post("/{path:path}")
    async def size(request: Request) -> int:
        return len(await request.body())

    def count(scope: Scope, status: int, elapsed_s: float) -> None:
        assert elapsed_s > 0
        counted.append(status)

    app.add_middleware(RequestGuard, limits=limits, api_key=api_key, count=count)
    return app


def ask(
    app: ASGIApp, messages: list[Message], path: str = "/predict", **headers: str
) -> tuple[int, Any]:
    """Send messages one by one; what follows the last of them never comes."""
    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(),
        "query_string": b"", "http_version": "1.1", "scheme": "http",
        "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()],
    }  # fmt: skip
    sent: list[Message] = []
    waiting = iter(messages)

    async def receive() -> Message:
        message = next(waiting, None)
        if message is None:
            await asyncio.sleep(600)
        assert message is not None
        return message

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(asyncio.wait_for(app(scope, receive, send), 300))
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], json.loads(body)


def part(data: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": data, "more_body": more}


def test_a_body_in_parts_comes_whole() -> None:
    counted: list[int] = []
    parts = [part(b"a" * 60, more=True), part(b"b" * 40)]
    assert ask(guarded(counted), parts) == (200, 100)
    assert counted == [200]


def test_a_body_that_trickles_is_given_up() -> None:
    counted: list[int] = []
    limits = dataclasses.replace(LIMITS, body_s=0.2)
    status, answer = ask(guarded(counted, limits=limits), [part(b"a", more=True)])
    assert (status, answer["detail"]) == (408, "the body took more than 0.2 s")
    assert counted == [408]


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [("/predict", 100, 200), ("/predict", 101, 413), ("/predict/batch", 200, 200),
     ("/predict/batch", 201, 413)],
)  # fmt: skip
def test_limits_by_path(path: str, size: int, status: int) -> None:
    half = size // 2
    parts = [part(b"a" * half, more=True), part(b"a" * (size - half))]
    assert ask(guarded([]), parts, path, content_length="3")[0] == status


@pytest.mark.parametrize("length", ["101", "9" * 400])
def test_a_length_that_is_too_large_is_refused_unread(length: str) -> None:
    status, answer = ask(guarded([]), [], content_length=length)
    assert (status, answer["detail"]) == (413, "the body is larger than 100 bytes")


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"x_api_key": "wrong"}, 401), ({"authorization": "Basic sesame"}, 401),
     ({"x_api_key": "sesame"}, 200), ({"authorization": "Bearer sesame"}, 200)],
)  # fmt: skip
def test_the_key(headers: dict[str, str], status: int) -> None:
    assert ask(guarded([], "sesame"), [part(b"")], **headers)[0] == status


def test_what_is_not_http_passes() -> None:
    seen = []

    async def app(scope: Scope, receive: object, send: object) -> None:
        seen.append(scope["type"])

    guard = RequestGuard(app, limits=LIMITS, api_key="sesame", count=lambda *_: None)
    asyncio.run(guard({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert seen == ["lifespan"]
