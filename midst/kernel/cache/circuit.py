"""A circuit breaker: requests do not wait for a Redis that is not available.

*Closed*: Redis is used. *Open*, after a few failures in a row or an invalidation that was not
delivered: this process does not use Redis. A thread probes it; when Redis replies, what was not
delivered is sent and writes go to it again (*settling*). Reads are answered from it only when
every process has had the time to notice, and never with entries from before.
"""

import atexit
import logging
from collections.abc import Collection
from enum import Enum
from threading import Event, Lock, Thread

from redis.exceptions import RedisError

from midst.kernel import redis
from midst.kernel.cache import memory, versions
from midst.telemetry import metrics

log = logging.getLogger(__name__)

# So many failures in a row are an outage: one late reply is not worth an empty cache.
_FAILURES = 3
# More groups than this cost more than to invalidate everything once.
_MOST_QUEUED = 10_000
PROBE_INTERVAL_S = 0.1
# More than a probe and its longest timeout: by then every process knows that Redis is back.
SETTLE_S = 1.0


class _State(Enum):
    CLOSED = 0
    OPEN = 1
    SETTLING = 2


class Circuit:
    """One for each process."""

    def __init__(self) -> None:
        self._state = _State.CLOSED
        self._failures = 0
        self._queue: set[str] = set()
        self._lock = Lock()
        self._prober: Thread | None = None
        self._wake = Event()

    def is_open(self) -> bool:
        """Say whether reads should leave Redis alone."""
        return self._state is not _State.CLOSED

    def takes_writes(self) -> bool:
        """Say whether invalidations should be sent to Redis."""
        return self._state is not _State.OPEN

    def record_success(self) -> None:
        self._failures = 0

    def record_failure(self, error: RedisError) -> None:
        """Count a failure; the last one of a row opens the circuit."""
        redis.patience.note(error)
        with self._lock:
            self._failures += 1
            if self._failures >= _FAILURES:
                self._open(error)

    def enqueue(self, groups: Collection[str], error: RedisError) -> None:
        """Queue an invalidation that was not delivered; the circuit stays open until it is."""
        redis.patience.note(error)
        with self._lock:
            self._queue.update(groups)
            if len(self._queue) > _MOST_QUEUED:
                self._queue = {versions.ALL}
            self._open(error)

    def close(self) -> None:
        """Reset to the initial state, and drop the queue."""
        with self._lock:
            self._close()

    def _open(self, error: RedisError) -> None:
        if self._state is _State.CLOSED:
            log.warning("Redis is not available, reads go to the database: %s", error)
            metrics.CACHE_DEGRADED.set(1)
            metrics.CACHE_CIRCUIT_OPENED.inc()
            memory.store.clear()
        self._state = _State.OPEN
        # A forked process does not inherit its parent's thread.
        if self._prober is None or not self._prober.is_alive():
            self._prober = Thread(target=self._probe, name="cache-prober", daemon=True)
            self._prober.start()

    def _close(self) -> None:
        if self._state is not _State.CLOSED:
            log.warning("Redis is available again")
        self._state, self._failures = _State.CLOSED, 0
        self._queue.clear()
        metrics.CACHE_DEGRADED.set(0)
        memory.store.clear()

    def _probe(self) -> None:
        while self.is_open():
            self._wake.wait(PROBE_INTERVAL_S)
            try:
                redis.client().ping()
                self.flush_invalidations()
            except RedisError as error:
                redis.patience.note(error)
                log.debug("Redis is still not available: %s", error)
                continue
            self._wake.wait(SETTLE_S)
            with self._lock:
                # A write that was not delivered meanwhile has opened it again.
                if self._state is _State.SETTLING:
                    self._close()

    def flush_invalidations(self) -> None:
        """Send the queued invalidations, and settle. Raises ``RedisError``.

        At once, before this process reads from Redis again: others may be reading from it.
        Only what this process has changed: the other processes send their own, and a Redis that
        was restarted has another run id. To invalidate everything whenever one process had
        waited in vain would empty the cache of all processes just when they are busiest.
        Holds the lock, so that an ``enqueue`` meanwhile is not lost.
        """
        with self._lock:
            if self._queue:
                versions.invalidate(self._queue, versions.new_token())
                self._queue.clear()
            if self.is_open():
                self._state = _State.SETTLING


circuit = Circuit()


@atexit.register
def _flush_at_exit() -> None:
    if not circuit.is_open():
        return
    try:
        circuit.flush_invalidations()
    except RedisError as error:
        log.warning("queued invalidations are lost, Redis is not available: %s", error)
