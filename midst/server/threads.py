"""Django in a few threads: a bounded number of requests wait for one, the next gets a 503."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, NamedTuple

from midst.kernel.http import Origin, PublicResponse

WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def saturation() -> dict[str, float]:
    """Return how full this process' threads are; nothing in one that has none, such as gthread."""
    return {} if Threads.serving is None else Threads.serving.saturation()


class Busy(Exception):
    """As many requests wait as may."""


class Answer(NamedTuple):
    """``origin``: what it was made of, if that is known and everybody may see it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    origin: Origin | None = None


class Threads:
    """``size`` threads that run ``application``, and room for ``waiting`` requests more."""

    # Those of this process: it has one application.
    serving: ClassVar["Threads | None"] = None

    def __init__(self, application: WSGI, *, size: int, waiting: int) -> None:
        self._application = application
        self._size, self._most = size, size + waiting
        self._inside = 0
        Threads.serving = self
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="django")

    @property
    def are_all_taken(self) -> bool:
        """Say whether the next request has to wait, or is refused."""
        return self._inside >= self._size

    def saturation(self) -> dict[str, float]:
        """Return which share of the threads is at work, and of the room to wait is taken.

        The request that asks for it is left out.
        """
        others = max(0, self._inside - 1)
        waiting = max(0, others - self._size)
        return {
            "threads": min(others, self._size) / self._size,
            "queue": waiting / (self._most - self._size) if self._most > self._size else 0.0,
        }

    async def run(self, environ: dict[str, Any]) -> Answer:
        """Return Django's answer, finished. Raises ``Busy``.

        What a view does goes on to its end, whether its client waits for it or not.
        """
        if self._inside >= self._most:
            raise Busy
        self._inside += 1
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._pool, self._answer, environ)
        future.add_done_callback(self._left)
        return await asyncio.shield(future)

    def _left(self, future: asyncio.Future[Answer]) -> None:
        self._inside -= 1
        if not future.cancelled():
            future.exception()  # Looked at here: the client of a failed request may be gone.

    def _answer(self, environ: dict[str, Any]) -> Answer:
        started: list[Any] = []

        def start_response(status: str, headers: Any, exc_info: Any = None) -> None:
            started[:] = status, headers

        response = self._application(environ, start_response)
        try:
            body = b"".join(response)
        finally:
            # Sends request_finished: the connection goes back to its pool before the client reads.
            close = getattr(response, "close", None)
            if close is not None:
                close()
        status, headers = started
        return Answer(
            int(status[:3]),
            [(name.lower().encode("latin-1"), text.encode("latin-1")) for name, text in headers],
            body,
            response.origin if isinstance(response, PublicResponse) else None,
        )
