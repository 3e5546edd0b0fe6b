"""Who waits in our own database while a run loads it, looked at once a second."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

from perfops.analysis import sessions

_INTERVAL_S = 1.0


@dataclass(frozen=True, slots=True)
class WaitLook:
    """At Unix time ``at``: sessions that waited for a lock, those at work on a statement, and the
    statement that most of them had.
    """

    at: float
    blocked: int
    active: int
    text: str


class Waits:
    """Looks once a second who waits in our own database, from ``start`` to ``finish``."""

    def __init__(self) -> None:
        self.looks: list[WaitLook] = []
        self._ended = Event()
        self._thread = Thread(target=self._work, name="perfops-waits", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(_INTERVAL_S * 10)

    def _work(self) -> None:
        try:
            while not self._ended.is_set():
                found = sessions.now(DEFAULT_DB_ALIAS)
                if not found.error:
                    self.looks.append(look(found.sessions, time.time()))
                self._ended.wait(_INTERVAL_S)
        finally:
            connections.close_all()


def look(found: Sequence[Any], at: float) -> WaitLook:
    """Return what the sessions of a moment were at."""
    blocked = [each for each in found if each.blocked_by]
    active = [each for each in found if each.state == "active" and "perfops" not in each.text]
    texts = Counter(each.text for each in blocked or active)
    return WaitLook(at, len(blocked), len(active), texts.most_common(1)[0][0] if texts else "")
