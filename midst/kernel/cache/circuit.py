"""Keeps requests from waiting for a Redis that is away, and pays what is owed once it is back.

*Closed*: Redis is asked. *Open*, after a few failures in a row or an invalidation that did not
get through: nobody asks. A thread then knocks; when Redis answers, writes go to it again
(*settling*), and only when every process has had the time to notice is it believed again, and
nothing that it kept from before.
"""

import atexit
import logging
from collections.abc import Collection
from enum import Enum
from threading import Event, Lock, Thread

from redis.exceptions import RedisError

from midst.kernel import redis
from midst.kernel.cache import memory, stamps
from midst.telemetry import metrics

log = logging.getLogger(__name__)

# So many failures in a row are an outage: a single late answer is not worth an empty cache.
_FAILURES = 3
KNOCK_S = 0.1
# More than a knock and the time-out of one: by then every process knows that Redis is back.
SETTLE_S = 0.6


class _State(Enum):
    CLOSED = 0
    OPEN = 1
    SETTLING = 2


class Circuit:
    """One for each process."""

    def __init__(self) -> None:
        self._state = _State.CLOSED
        self._failures = 0
        self._outage = False
        self._owed: set[str] = set()
        self._lock = Lock()
        self._keeper: Thread | None = None
        self._now = Event()

    def is_open(self) -> bool:
        """Say whether reads should leave Redis alone."""
        return self._state is not _State.CLOSED

    def takes_writes(self) -> bool:
        """Say whether it is worth telling Redis of a change."""
        return self._state is not _State.OPEN

    def worked(self) -> None:
        self._failures = 0

    def failed(self, error: RedisError) -> None:
        """Count a failure; the last one of a row opens the circuit."""
        with self._lock:
            self._failures += 1
            if self._failures >= _FAILURES:
                self._outage = True
                self._open(error)

    def owe(self, groups: Collection[str], error: RedisError) -> None:
        """Remember an invalidation that did not get through; nothing is believed before it does."""
        with self._lock:
            self._owed.update(groups)
            self._open(error)

    def close(self) -> None:
        """Forget what was: a new start."""
        with self._lock:
            self._close()

    def _open(self, error: RedisError) -> None:
        if self._state is _State.CLOSED:
            log.warning("the cache is away, the database answers: %s", error)
            metrics.CACHE_DEGRADED.set(1)
            memory.store.clear()
        self._state = _State.OPEN
        # A fork leaves the parent's thread behind.
        if self._keeper is None or not self._keeper.is_alive():
            self._keeper = Thread(target=self._keep, name="cache-keeper", daemon=True)
            self._keeper.start()

    def _close(self) -> None:
        if self._state is not _State.CLOSED:
            log.warning("the cache is back")
        self._state, self._outage, self._failures = _State.CLOSED, False, 0
        self._owed.clear()
        metrics.CACHE_DEGRADED.set(0)
        memory.store.clear()

    def _keep(self) -> None:
        while self.is_open():
            self._now.wait(KNOCK_S)
            try:
                redis.client().ping()
                if not self._settles():
                    return
                self._now.wait(SETTLE_S)
                self.pay()
            except RedisError:
                # Still away; it is known, and we knock again.
                with self._lock:
                    if self.is_open():
                        self._state = _State.OPEN

    def _settles(self) -> bool:
        """From now on writes go to Redis again; False when there is nothing to settle any more."""
        with self._lock:
            if self.is_open():
                self._state = _State.SETTLING
            return self.is_open()

    def pay(self) -> None:
        """Make void what is owed, after an outage everything, and close. Raises ``RedisError``.

        The lock is held meanwhile: who comes to owe more waits, and is not forgotten.
        """
        with self._lock:
            owed = {stamps.ALL} if self._outage else set(self._owed)
            if owed:
                stamps.renew(owed, stamps.new_token())
            self._close()


circuit = Circuit()


@atexit.register
def _pay_at_exit() -> None:
    if not circuit.is_open():
        return
    try:
        circuit.pay()
    except RedisError as error:
        log.warning("invalidations are owed to a cache that is away: %s", error)
