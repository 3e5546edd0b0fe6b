"""gunicorn's asgi worker, with deadlines for slow clients."""

import asyncio
import os
import resource
from collections.abc import Callable
from typing import Any

import uvloop
from gunicorn.workers.gasgi import ASGIWorker

from midst.server.connections import SWEEP_S, Connection, Connections, Limits

# Of a process' files: what the database, the cache, logs and libraries need.
_OTHER_FILES = 100


class _Loop(uvloop.Loop):
    """Puts a ``Connection`` around each protocol that a server of this loop makes."""

    connections: Connections

    async def create_server(self, protocol_factory: Callable[[], Any], *args: Any, **options: Any):  # type: ignore[no-untyped-def]
        server = await super().create_server(
            lambda: Connection(protocol_factory(), self.connections), *args, **options
        )
        self.call_later(SWEEP_S, self._sweep)
        return server

    def _sweep(self) -> None:
        self.connections.sweep()
        self.call_later(SWEEP_S, self._sweep)


class Worker(ASGIWorker):  # type: ignore[misc]
    """``gunicorn -k midst.server.worker.Worker midst.asgi``."""

    loop: _Loop

    def init_signals(self) -> None:
        """The first step after the worker has made its loop, and the last before it is used."""
        # Read here: a wrong value ends the start, and not the handler of a signal.
        self._drain_s = float(os.environ.get("WEB_DRAIN_S", "0"))
        self.loop.close()
        self.loop = loop = _Loop()
        loop.connections = Connections(self._limits(), loop.time, lambda: self.alive)
        asyncio.set_event_loop(loop)
        super().init_signals()

    def handle_exit_signal(self) -> None:
        """Serve on for ``WEB_DRAIN_S``, then end as gunicorn does it; at once the second time.

        Meanwhile ``/health`` is 503 and each answer says that its connection ends. Without that a
        proxy may send a write into a connection that is just being closed, and can't know whether
        it was done.
        """
        if self._drain_s and not self.loop.connections.drains:
            self.loop.connections.drains = True
            self.loop.call_later(self._drain_s, super().handle_exit_signal)
        else:
            super().handle_exit_signal()

    def _limits(self) -> Limits:
        usual = Limits()
        return Limits(
            headers_s=float(os.environ.get("WEB_HEADERS_S", usual.headers_s)),
            body_s=float(os.environ.get("WEB_BODY_S", usual.body_s)),
            stalled_s=float(os.environ.get("WEB_STALLED_S", usual.stalled_s)),
            slow_per_address=int(os.environ.get("WEB_SLOW_PER_ADDRESS", usual.slow_per_address)),
            connections=self._most_connections(),
        )

    def _most_connections(self) -> int:
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        configured: int = self.cfg.worker_connections
        return configured if files < 0 else max(1, min(configured, files - _OTHER_FILES))
