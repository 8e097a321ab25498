"""The request guard: API key, size and time limits of every request, checked before parsing.

One ASGI middleware around the whole application. It counts the bytes of the body as they stream
in, whatever ``Content-Length`` says.
"""

import asyncio
import dataclasses
import hmac
import time
from collections.abc import Callable

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OPEN_PATHS = ("/", "/health", "/ready", "/docs", "/openapi.json")
KEY_HEADER = "X-API-Key"
BATCH_PATH = "/predict/batch"


@dataclasses.dataclass(frozen=True)
class RequestLimits:
    """What a request may cost."""

    body_bytes: int = 16_000_000
    batch_bytes: int = 64_000_000  # of ``/predict/batch``
    image_pixels: int = 25_000_000
    body_s: float = 30.0  # within which a body must have arrived


class RequestGuard:
    """Check key ("" requires none), size and time of every request, and count it.

    `count` is called with the scope, the status and the seconds of every answer.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limits: RequestLimits,
        api_key: str,
        count: Callable[[Scope, int, float], None],
    ) -> None:
        self.app = app
        self.limits = limits
        self.api_key = api_key
        self.count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def send_and_note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            refusal = self._refusal(scope)
            if refusal is not None:
                await refusal(scope, receive, send_and_note_status)
            else:
                await self.app(scope, self._limited(scope, receive), send_and_note_status)
        finally:
            self.count(scope, status, time.perf_counter() - started)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        if scope["path"] not in OPEN_PATHS and not self._has_key(headers):
            detail = f"expected the service's key in the header {KEY_HEADER}"
            return JSONResponse({"detail": detail}, 401, {"WWW-Authenticate": "Bearer"})
        limit, length = self._byte_limit(scope), headers.get("content-length", "0")
        if length.isdecimal() and (len(length) > 18 or int(length) > limit):
            return JSONResponse({"detail": _too_large(limit)}, 413, {"Connection": "close"})
        return None

    def _has_key(self, headers: Headers) -> bool:
        if not self.api_key:
            return True
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        key = headers.get(KEY_HEADER) or bearer
        # Headers are decoded as Latin-1: back to the bytes that were sent.
        return hmac.compare_digest(key.encode("latin-1"), self.api_key.encode())

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        """Wrap `receive` so that it fails once the body is too large or too slow."""
        limit, deadline = self._byte_limit(scope), time.monotonic() + self.limits.body_s
        received, complete = 0, False

        async def receive_limited() -> Message:
            nonlocal received, complete
            if complete:  # what follows is the wait for the client to disconnect
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), deadline - time.monotonic())
            except asyncio.TimeoutError as e:
                detail = f"the body took more than {self.limits.body_s:g} s"
                raise HTTPException(408, detail, {"Connection": "close"}) from e
            received += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if received > limit:
                raise HTTPException(413, _too_large(limit), {"Connection": "close"})
            return message

        return receive_limited

    def _byte_limit(self, scope: Scope) -> int:
        batch = scope["path"] == BATCH_PATH
        return self.limits.batch_bytes if batch else self.limits.body_bytes


def _too_large(limit: int) -> str:
    return f"the body is larger than {limit:,} bytes"
