"""Things that leave together: what is dear for one is cheap for a dozen.

On a quiet process each leaves at once. Where they follow each other they wait for ``WAIT_S`` at
most, or until a dozen have come together. A process that is killed outright loses what waits; any
other end lets it go first.
"""

import atexit
import os
from collections.abc import Callable
from threading import Event, Lock, Thread
from time import monotonic, sleep

WAIT_S = 0.2
_DOZEN = 12


class LogBatcher[T]:
    """What waits for ``leave``, which may be called in any thread."""

    def __init__(self, leave: Callable[[list[T]], None]) -> None:
        self._leave = leave
        self._begin()
        os.register_at_fork(after_in_child=self._begin)
        atexit.register(self.flush)

    def _begin(self) -> None:
        """Nothing waits. In a child of a fork: what waits is its parent's, so is the thread."""
        self._lock = Lock()
        self._waiting: list[T] = []
        self._left = 0.0
        self._late = Event()
        self._thread: Thread | None = None

    def add(self, thing: T, *, at_once: bool = False) -> None:
        """Let ``thing`` go, with all that waits, within ``WAIT_S``; at once if asked."""
        with self._lock:
            self._waiting.append(thing)
            late = len(self._waiting) >= _DOZEN or monotonic() - self._left >= WAIT_S
            if late or at_once:
                self._let_go()
            elif not self._late.is_set():
                self._late.set()
                if self._thread is None:
                    self._thread = Thread(target=self._follow, name="log-batcher", daemon=True)
                    self._thread.start()

    def flush(self) -> None:
        """Let go of what waits."""
        with self._lock:
            self._let_go()

    def _let_go(self) -> None:
        together, self._waiting = self._waiting, []
        self._left = monotonic()
        if together:
            self._leave(together)

    def _follow(self) -> None:
        while self._late.wait():
            sleep(WAIT_S)
            self._late.clear()
            self.flush()
