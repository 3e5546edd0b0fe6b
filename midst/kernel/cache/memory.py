"""A small cache in this process's memory, used while Redis is not available.

Other processes can't invalidate its entries, so they live for ``TTL_S`` at most: the staleness
bound of the degraded mode. A write of this process clears it.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, RLock
from time import monotonic

from django.conf import settings

from midst.kernel.cache.entries import Entry

TTL_S = 2.0
# Per entry, for dictionary slots, key and tag: measured, not exact.
_OVERHEAD_BYTES = 400
_WAIT_S = 1.0


class Memory:
    """Holds ``settings.CACHE_MEMORY_BYTES`` at most; evicts the least recently used entries."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._bytes = 0
        self._generation = 0
        self._lock = RLock()
        self._flights: dict[str, Lock] = {}

    @property
    def bytes(self) -> int:
        return self._bytes

    @property
    def generation(self) -> int:
        """A number that every committed change of this process increments."""
        return self._generation

    def get(self, key: str) -> Entry | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if entry.expires_at < monotonic():
                self._drop(key)
                return None
            self._entries.move_to_end(key)
            return entry

    def put(self, key: str, entry: Entry, *, generation: int) -> None:
        """Store ``entry`` unless this process has committed a change since ``generation``."""
        size = _size(key, entry)
        with self._lock:
            if generation != self._generation or size > settings.CACHE_MEMORY_BYTES:
                return
            self._drop(key)
            self._entries[key] = entry
            self._bytes += size
            while self._bytes > settings.CACHE_MEMORY_BYTES:
                self._drop(next(iter(self._entries)))

    def clear(self) -> None:
        with self._lock:
            self._generation += 1
            self._entries.clear()
            self._bytes = 0

    @contextmanager
    def single_flight(self, key: str) -> Iterator[None]:
        """Let one thread compute ``key``; the others wait for it, for a second at most."""
        with self._lock:
            flight = self._flights.setdefault(key, Lock())
        held = flight.acquire(timeout=_WAIT_S)
        try:
            yield
        finally:
            if held:
                flight.release()
            with self._lock:
                if not flight.locked():
                    self._flights.pop(key, None)

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= _size(key, entry)


def _size(key: str, entry: Entry) -> int:
    return len(key) + len(entry.body) + _OVERHEAD_BYTES


store = Memory()
