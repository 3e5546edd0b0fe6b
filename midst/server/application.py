"""The ASGI application: reads a request whole, has Django answer it, sends the answer.

No thread ever waits for a client. What of bodies is in memory is bounded for the whole worker.
"""

import io
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import msgspec

from midst.server import probes
from midst.server.connections import Receive, Scope, Send
from midst.server.threads import Answer, Busy, Threads

if TYPE_CHECKING:
    # It needs Django's apps, which no entry point has set up yet when it imports this.
    from midst.server.hot import HotPath

# Bodies that are being received, of all clients (bytes).
MOST_BUFFERED = 64 * 1024 * 1024
# What is read after the answer and thrown away (bytes): a client that is still sending when the
# connection closes never sees its answer.
MOST_DISCARDED = 256 * 1024 * 1024
_RETRY_AFTER_S = 1
_UNNAMED = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}


def problem(status: int, title: str, detail: str, *headers: tuple[bytes, bytes]) -> Answer:
    body = msgspec.json.encode(
        {"type": "about:blank", "title": title, "status": status, "detail": detail}
    )
    return Answer(
        status,
        [
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            *headers,
        ],
        body,
    )


_RETRY = (b"retry-after", str(_RETRY_AFTER_S).encode())
_BUSY = problem(503, "Service Unavailable", "The server is busy: try again soon.", _RETRY)
_SLOW = problem(
    408, "Request Timeout", "The body took too long to arrive.", (b"connection", b"close")
)


# In the environ: how many bytes of its body are counted as buffered.
_HELD = "midst.held"


class Gone(Exception):
    """The client has left before its request was complete."""


class Server:
    """``threads`` run Django; ``largest_body`` (bytes): what a view may take, more is not read.

    What ``hot_path`` has an answer for never gets to them.
    """

    def __init__(
        self, threads: Threads, *, largest_body: int, hot_path: "HotPath | None" = None
    ) -> None:
        self._threads = threads
        self._hot_path = hot_path
        self._largest_body = largest_body
        self._buffered = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await refuse(scope, send)
            return
        alive = probes.answer(scope, is_busy=self._threads.are_all_taken)
        if alive is not None:
            await send_answer(alive, send)
            return
        decided: dict[str, Any] = {}
        found = await self._hot_path.answer(scope, decided) if self._hot_path else None
        if found is not None:
            await send_answer(found, send)
            return
        await self._ask_django(scope, environ_of(scope) | decided, receive, send)

    async def _ask_django(
        self, scope: Scope, environ: dict[str, Any], receive: Receive, send: Send
    ) -> None:
        is_read = True
        try:
            if "CONTENT_LENGTH" in environ or "HTTP_TRANSFER_ENCODING" in environ:
                is_read = await self._read_body(environ, receive)
            else:
                environ["wsgi.input"] = io.BytesIO()
            answer = await self._threads.run(environ)
            if self._hot_path is not None and answer.origin is not None:
                self._hot_path.learn(scope, answer)
        except Busy:
            answer = _BUSY
        except TimeoutError:
            answer = _SLOW
        except Gone:
            return
        finally:
            self._buffered -= environ.get(_HELD, 0)
        # Who waits to be told so sends no more.
        is_read = is_read or "HTTP_EXPECT" in environ
        environ.clear()
        if is_read:
            await send_answer(answer, send)
        else:
            await _send_before_the_end(answer, receive, send)

    async def _read_body(self, environ: dict[str, Any], receive: Receive) -> bool:
        """Put the body into ``environ``; say whether that is all of it, for Django refuses more."""
        environ["wsgi.input"] = io.BytesIO()
        length = environ.get("CONTENT_LENGTH", "")
        if length.isdecimal() and int(length) > self._largest_body:
            return False
        body, is_whole = bytearray(), False
        while not is_whole and len(body) <= self._largest_body:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Gone
            piece = message.get("body", b"")
            body += piece
            self._buffered += len(piece)
            environ[_HELD] = len(body)
            if self._buffered > MOST_BUFFERED:
                raise Busy
            is_whole = not message.get("more_body")
        environ["CONTENT_LENGTH"] = str(len(body))
        environ["wsgi.input"] = io.BytesIO(body)
        return is_whole


async def _send_before_the_end(answer: Answer, receive: Receive, send: Send) -> None:
    """Send all of an answer, then read on: most clients read theirs when they have sent all."""
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": True})
    left = MOST_DISCARDED
    with suppress(TimeoutError):
        while left > 0:
            message = await receive()
            left -= len(message.get("body", b""))
            if message["type"] == "http.disconnect" or not message.get("more_body"):
                break
    await send({"type": "http.response.body", "body": b""})


async def refuse(scope: Scope, send: Send) -> None:
    """WebSockets are not served; gunicorn asks for nothing else."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})


async def send_answer(answer: Answer, send: Send) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body})


def environ_of(scope: Scope) -> dict[str, Any]:
    """Return PEP 3333's environ of an ASGI ``scope``, but for ``wsgi.input``.

    The path is that of the request line; nothing of it is believed to be a mount point.
    """
    server, client = scope.get("server") or ("", 0), scope.get("client") or ("", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0] or "localhost",
        "SERVER_PORT": str(server[1] or ""),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0] or "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        key = _UNNAMED.get(name) or f"HTTP_{name.decode('latin-1').upper().replace('-', '_')}"
        text = value.decode("latin-1")
        if key in environ:
            text = environ[key] + ("; " if name == b"cookie" else ",") + text
        environ[key] = text
    return environ
