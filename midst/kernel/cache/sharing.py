"""Readers of one process share computations while nothing can be stored.

Since a writer commits (with many writers a group is pending much of the time), or since Redis is
not available. Without this every reader of a list would compute it then. A reader takes part only
in a computation that starts after it came: one that is running may have read before a commit that
this reader has to see.
"""

from collections.abc import Callable
from threading import Event, Lock

# How long a reader waits for others before it computes by itself (s).
_WAIT_S = 2.0


class _Turn[T]:
    """A computation that has not started, and those who wait for it."""

    def __init__(self) -> None:
        self.may_start, self.done = Event(), Event()
        self.members = 1
        self.result: T | None = None


class SharedComputations[T]:
    """At most one computation of each key runs, and the next one serves all who wait."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._running: set[str] = set()
        self._next: dict[str, _Turn[T]] = {}

    def waiting(self, key: str) -> int:
        """Return how many wait for the next computation of ``key``."""
        with self._lock:
            turn = self._next.get(key)
            return 0 if turn is None else turn.members

    def share(self, key: str, compute: Callable[[], T]) -> T:
        """Return the result of a computation of ``key`` that started after this call.

        What ``compute`` raises, its caller gets; who waited for that computes by itself.
        """
        with self._lock:
            turn = self._next.get(key)
            leads = turn is None
            if turn is None:
                turn = _Turn()
                if key in self._running:
                    self._next[key] = turn
                else:
                    self._running.add(key)
                    turn.may_start.set()
            else:
                turn.members += 1
        if leads:
            return self._lead(key, turn, compute)
        turn.done.wait(_WAIT_S)
        return compute() if turn.result is None else turn.result

    def _lead(self, key: str, turn: _Turn[T], compute: Callable[[], T]) -> T:
        turn.may_start.wait(_WAIT_S)
        with self._lock:
            in_turn = turn.may_start.is_set()
            if not in_turn:
                # The running one hangs: nobody else waits for it.
                del self._next[key]
        try:
            turn.result = compute()
            return turn.result
        finally:
            turn.done.set()
            if in_turn:
                self._start_next(key)

    def _start_next(self, key: str) -> None:
        with self._lock:
            following = self._next.pop(key, None)
            if following is None:
                self._running.discard(key)
            else:
                following.may_start.set()
