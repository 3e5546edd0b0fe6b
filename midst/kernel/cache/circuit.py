"""A circuit breaker: requests do not wait for a Redis that is not available.

*Closed*: Redis is used. *Open*, after a few failures in a row, an invalidation that was not
delivered, or when Redis was restarted: this process does not use Redis, and reads are answered by
the database. A thread tries to deliver what was not delivered; when that succeeds, writes go to
Redis again (*settling*). Reads are answered from it only when every process has had the time to
notice.
"""

import atexit
import logging
from collections.abc import Collection
from enum import Enum
from threading import Condition, Event, Lock, Thread, current_thread
from time import monotonic

from redis.exceptions import RedisError

from midst.kernel import redis
from midst.kernel.cache import versions
from midst.telemetry import metrics

log = logging.getLogger(__name__)

# So many failures in a row are an outage: one late reply is not worth an empty cache.
_FAILURES = 3
# More groups than this cost more than to invalidate everything once.
_MOST_QUEUED = 10_000
PROBE_INTERVAL_S = 0.1
# A group of no entry: a Redis that takes no writes is found out with nothing to deliver, too.
_PROBE = "probe"
# More than a probe and its longest timeout: by then every process knows that Redis is back.
SETTLE_S = 1.0
# For so long a writer waits for an attempt to deliver what it has changed. Refused or delivered it
# takes a few ms; only a Redis that hangs takes longer.
_ATTEMPT_S = 0.05
# An attempt that takes longer hangs where no timeout holds, as in the name's resolution: another
# thread makes the next one.
_HUNG_S = 2.0


class _State(Enum):
    CLOSED = 0
    OPEN = 1
    SETTLING = 2


class Circuit:
    """One for each process."""

    def __init__(self) -> None:
        self._state = _State.CLOSED
        self._failures = 0
        # The groups to invalidate, each with the number of its latest change.
        self._queue: dict[str, int] = {}
        self._enqueued = 0
        self._lock = Lock()
        self._prober: Thread | None = None
        self._wake = Event()
        self._attempts = Condition()
        self._attempts_begun = self._attempts_ended = 0
        self._attempt_since = 0.0

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

    def note_restart(self, error: RedisError, **_: object) -> None:
        """Open the circuit: another process may have changes that this server was not told of.

        It tells it within a second, if it can reach it (``SETTLE_S``).
        """
        with self._lock:
            self._open(error)

    def enqueue(self, groups: Collection[str], error: RedisError) -> None:
        """Queue an invalidation that was not delivered; the circuit stays open until it is.

        One attempt is made before this returns, unless Redis hangs: a server that was restarted
        meanwhile may already be used by another process.
        """
        redis.patience.note(error)
        with self._attempts:
            # One that has begun already may have gone without these.
            awaited = self._attempts_begun + 1
        with self._lock:
            self._enqueued += 1
            self._queue |= dict.fromkeys(groups, self._enqueued)
            if len(self._queue) > _MOST_QUEUED:
                self._queue = {versions.ALL: self._enqueued}
            self._open(error)
        self._wake.set()
        with self._attempts:
            self._attempts.wait_for(lambda: self._attempts_ended >= awaited, _ATTEMPT_S)

    def close(self) -> None:
        """Reset to the initial state, and drop the queue."""
        with self._lock:
            self._close()

    def _open(self, error: RedisError) -> None:
        if self._state is _State.CLOSED:
            log.warning("Redis is not available, reads go to the database: %s", error)
            metrics.CACHE_DEGRADED.set(1)
            metrics.CACHE_CIRCUIT_OPENED.inc()
        self._state = _State.OPEN
        # A forked process does not inherit its parent's thread.
        if self._prober is None or not self._prober.is_alive() or self._hangs():
            self._attempt_since = 0.0
            self._prober = Thread(target=self._probe, name="cache-prober", daemon=True)
            self._prober.start()

    def _hangs(self) -> bool:
        return bool(self._attempt_since) and monotonic() - self._attempt_since > _HUNG_S

    def _close(self) -> None:
        if self._state is not _State.CLOSED:
            log.warning("Redis is available again")
        self._state, self._failures = _State.CLOSED, 0
        self._queue.clear()
        # It ends; whoever opens the circuit from now on starts another one.
        self._prober = None
        self._wake.set()
        metrics.CACHE_DEGRADED.set(0)

    def _probe(self) -> None:
        while self._prober is current_thread():
            self._wake.wait(PROBE_INTERVAL_S)
            self._wake.clear()
            try:
                self.flush_invalidations()
            except RedisError as error:
                redis.patience.note(error)
                log.debug("Redis is still not available: %s", error)
                continue
            self._settle()

    def _settle(self) -> None:
        """Close the circuit after ``SETTLE_S``, or return when it has opened again."""
        until = monotonic() + SETTLE_S
        while self._is_settling() and (left := until - monotonic()) > 0:
            self._wake.wait(left)
            self._wake.clear()
        with self._lock:
            if self._is_settling():
                self._close()

    def _is_settling(self) -> bool:
        # A write that was not delivered opens it again; who closes it does so for good.
        return self._state is _State.SETTLING and self._prober is current_thread()

    def flush_invalidations(self) -> None:
        """Send the queued invalidations, and settle. Raises ``RedisError``.

        At once, before this process reads from Redis again: others may be reading from it.
        Only what this process has changed: the other processes send their own, and a Redis that
        was restarted has another run id. To invalidate everything whenever one process had
        waited in vain would empty the cache of all processes just when they are busiest.
        """
        with self._attempts:
            self._attempts_begun += 1
            self._attempt_since = monotonic()
        try:
            while not self._flush():
                pass
        finally:
            with self._attempts:
                self._attempts_ended = self._attempts_begun
                self._attempt_since = 0.0
                self._attempts.notify_all()

    def _flush(self) -> bool:
        """Return whether all is sent. Not under the lock: a Redis that hangs holds up no writer."""
        with self._lock:
            sent = dict(self._queue)
        versions.invalidate(sent or {_PROBE}, versions.new_token())
        with self._lock:
            # What was changed again meanwhile is sent again.
            self._queue = {each: n for each, n in self._queue.items() if sent.get(each) != n}
            if not self._queue and self.is_open():
                self._state = _State.SETTLING
            return not self._queue


circuit = Circuit()
redis.server_changed.connect(circuit.note_restart)


@atexit.register
def _flush_at_exit() -> None:
    if not circuit.is_open():
        return
    try:
        circuit.flush_invalidations()
    except RedisError as error:
        log.warning("queued invalidations are lost, Redis is not available: %s", error)
