"""Deadlines for slow clients, which gunicorn's asgi worker does not have.

Each connection is a small protocol around gunicorn's. Once in half a second all of them are
looked at: who takes too long to send headers or a body, or to read an answer, is disconnected.
A slow client costs a socket and some memory meanwhile, never a thread.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from enum import Enum
from operator import attrgetter
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
# In the scope of a request: the worker has been told to end.
ENDING = "midst.ending"
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

SWEEP_S = 0.5
_TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
    b"Content-Length: 0\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long the server waits for a client (seconds), and for how many.

    ``headers_s``: from the first byte, or from the connection on, until the headers are complete.
    ``body_s``: for the whole body. ``stalled_s``: without a byte of the answer being read.
    ``slow_s``: a client that is waited for longer than this counts as slow, and one address may
    have ``slow_per_address`` of them. ``connections``: all of them.
    """

    headers_s: float = 10
    body_s: float = 30
    stalled_s: float = 15
    slow_s: float = 2
    slow_per_address: int = 50
    connections: int = 1000


class Phase(Enum):
    """What a connection waits for."""

    HEADERS = 0
    BODY = 1
    APPLICATION = 2
    NEXT_REQUEST = 3


class Connection(asyncio.Protocol):
    """One client; passes everything on to ``inner``, gunicorn's protocol."""

    def __init__(self, inner: Any, registry: "Connections") -> None:
        self._inner = inner
        self._application: Application = inner.app
        inner.app = self._serve
        self._registry = registry
        self._now = registry.now
        self.phase = Phase.HEADERS
        self.since = self._now()
        self.address = ""
        self._unsent = 0
        self._unsent_since = 0.0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) else ""
        self._registry.add(self)
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._registry.remove(self)
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.phase is Phase.NEXT_REQUEST:
            self.phase, self.since = Phase.HEADERS, self._now()
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        answer: bool | None = self._inner.eof_received()
        return answer

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.phase = Phase.APPLICATION

        async def body() -> MutableMapping[str, Any]:
            if self.phase is not Phase.BODY:
                self.phase, self.since = Phase.BODY, self._now()
            async with asyncio.timeout_at(self.since + self._registry.limits.body_s):
                message = await receive()
            if not message.get("more_body"):
                self.phase = Phase.APPLICATION
            return message

        if self._registry.drains:
            scope[ENDING] = True
            send = _the_last(send)
        try:
            await self._application(scope, body, send)
        finally:
            self.phase, self.since = Phase.NEXT_REQUEST, self._now()

    def waited_s(self, now: float) -> float:
        """Return how long the server has been waiting for this client."""
        unsent = self.transport.get_write_buffer_size()
        if unsent:
            if unsent != self._unsent:
                self._unsent, self._unsent_since = unsent, now
            return now - self._unsent_since
        self._unsent = 0
        return now - self.since if self.phase in {Phase.HEADERS, Phase.BODY} else 0.0

    def end_if_late(self, waited_s: float) -> bool:
        """Disconnect a client that has had its time; a late body is the application's to refuse."""
        limits = self._registry.limits
        if self._unsent:
            if waited_s > limits.stalled_s:
                self.drop()
                return True
        elif self.phase is Phase.HEADERS and waited_s > limits.headers_s:
            self.refuse(_TIMEOUT)
            return True
        return False

    def refuse(self, answer: bytes) -> None:
        self.transport.write(answer)
        self.transport.close()

    def drop(self) -> None:
        """Close at once: what is unsent will never be read."""
        self.transport.abort()


def _the_last(send: Send) -> Send:
    """Return ``send`` with ``Connection: close``: a proxy then takes another for its next."""

    async def last(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return last


class Connections:
    """All of a worker. ``is_alive`` says whether the worker goes on serving."""

    def __init__(
        self, limits: Limits, now: Callable[[], float], is_alive: Callable[[], bool]
    ) -> None:
        self.limits = limits
        self.now = now
        self._is_alive = is_alive
        self._open: set[Connection] = set()
        # The worker ends soon: each answer is the last one of its connection.
        self.drains = False

    def add(self, connection: Connection) -> None:
        self._open.add(connection)
        if len(self._open) > self.limits.connections:
            self._make_room(connection)

    def remove(self, connection: Connection) -> None:
        self._open.discard(connection)

    def sweep(self) -> None:
        """Disconnect who is late, or one of too many; at the worker's end those that rest."""
        now, slow = self.now(), defaultdict(list)
        for connection in tuple(self._open):
            if not self._is_alive() and connection.phase is Phase.NEXT_REQUEST:
                connection.transport.close()
                continue
            waited_s = connection.waited_s(now)
            if connection.end_if_late(waited_s):
                continue
            if waited_s > self.limits.slow_s:
                slow[connection.address].append((waited_s, connection))
        for found in slow.values():
            found.sort(key=lambda each: each[0], reverse=True)
            for _, connection in found[: max(0, len(found) - self.limits.slow_per_address)]:
                connection.drop()

    def _make_room(self, newest: Connection) -> None:
        """Who rests between two requests, or sends slowly, goes before one who has just come."""
        idle = [each for each in self._open - {newest} if each.phase is not Phase.APPLICATION]
        if idle:
            min(idle, key=attrgetter("since")).drop()
        else:
            newest.refuse(_FULL)
