"""The service's door: who may enter, how much they may bring, and how long they may take.

One ASGI middleware around the whole application. It counts the body while it streams in, so that a
wrong ``Content-Length`` helps nobody, and refuses before anything is parsed.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hmac
import time
from collections.abc import Callable

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OPEN_PATHS = ("/health", "/ready", "/docs", "/openapi.json")
KEY_HEADER = "X-API-Key"
BATCH_PATH = "/predict/batch"


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a request may cost.

    Attributes
    ----------
    body_bytes, batch_bytes : int
        Largest body; of ``/predict/batch``.
    image_pixels : int
        Largest picture.
    body_s : float
        Seconds within which a body must have come.
    """

    body_bytes: int = 16_000_000
    batch_bytes: int = 64_000_000
    image_pixels: int = 25_000_000
    body_s: float = 30.0


class Door:
    """Check key, size and time of every request, and count it.

    Parameters
    ----------
    app : ASGI application
    limits : Limits
    api_key : str
        "" lets everybody in.
    count : callable of (Scope, int, float)
        Told the scope, the status and the seconds of every answer.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limits: Limits,
        api_key: str,
        count: Callable[[Scope, int, float], None],
    ) -> None:
        self.app = app
        self.limits = limits
        self.api_key = api_key
        self.count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it here."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            refusal = self._refusal(scope)
            if refusal is not None:
                await refusal(scope, receive, observed)
            else:
                await self.app(scope, self._measured(scope, receive), observed)
        finally:
            self.count(scope, status, time.perf_counter() - started)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        if scope["path"] not in OPEN_PATHS and not self._has_key(headers):
            detail = f"expected the service's key in the header {KEY_HEADER}"
            return JSONResponse({"detail": detail}, 401, {"WWW-Authenticate": "Bearer"})
        most, length = self._most(scope), headers.get("content-length", "0")
        if length.isdecimal() and (len(length) > 18 or int(length) > most):
            return JSONResponse({"detail": _too_large(most)}, 413, {"Connection": "close"})
        return None

    def _has_key(self, headers: Headers) -> bool:
        if not self.api_key:
            return True
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        given = headers.get(KEY_HEADER) or bearer
        # Headers are decoded as Latin-1: back to the bytes that came.
        return hmac.compare_digest(given.encode("latin-1"), self.api_key.encode())

    def _measured(self, scope: Scope, receive: Receive) -> Receive:
        most, until = self._most(scope), time.monotonic() + self.limits.body_s
        come, whole = 0, False

        async def measured() -> Message:
            nonlocal come, whole
            if whole:  # what follows is the wait for the client to leave
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), until - time.monotonic())
            except asyncio.TimeoutError as e:
                detail = f"the body took more than {self.limits.body_s:g} s"
                raise HTTPException(408, detail, {"Connection": "close"}) from e
            come += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if come > most:
                raise HTTPException(413, _too_large(most), {"Connection": "close"})
            return message

        return measured

    def _most(self, scope: Scope) -> int:
        batch = scope["path"] == BATCH_PATH
        return self.limits.batch_bytes if batch else self.limits.body_bytes


def _too_large(most: int) -> str:
    return f"the body is larger than {most:,} bytes"
