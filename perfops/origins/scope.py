"""On whose behalf statements are sent: a request, a task, a command, else the process itself.

A scope is written by the threads that work for it and read by the one that flushes: its lock
is held for a few instructions.
"""

import sys
from asyncio import Task
from collections.abc import Callable
from contextvars import ContextVar, Token
from pathlib import Path
from threading import Lock
from time import perf_counter
from types import FrameType
from typing import NamedTuple

from perfops.origins import ledger, outside
from perfops.origins.callers import site_of, stack_of
from perfops.origins.counts import OTHER, ScopeCounter, Site

Key = tuple[str, str, int, int]

# More different (statement, place) in one scope share one tally.
_MOST = 2000
_NOWHERE_KEY = 0
# What an attribute or a template may ask.
_ASKS = "SELECT"


class Scope:
    """``name``: asked for when the scope ends, as a route is not known when a request begins.

    ``view``: asked for a statement without a line of the project. ``run``: the load run that sent
    the request, 0 for none.
    """

    __slots__ = ("_name", "_view", "is_live", "kind", "lock", "run", "started", "tallies", "task")

    def __init__(
        self,
        kind: str,
        name: Callable[[], str],
        task: "Task[object] | None" = None,
        view: Callable[[], Site] | None = None,
        run: int = 0,
    ) -> None:
        self.run, self.started = run, perf_counter()
        self.kind, self._name, self._view = kind, name, view
        self.lock = Lock()
        self.tallies: dict[Key, ScopeCounter] = {}
        self.is_live = True
        # The asyncio task that works for it, if one does: see ``asynchronous``.
        self.task = task

    def open(self, key: Key, frame: FrameType | None, params: object, many: bool) -> ScopeCounter:
        """Return a new tally for ``key``; the one for all others when there is no room."""
        database, text, *_ = key
        if len(self.tallies) >= _MOST or not ledger.admit(database, text, params, many=many):
            ledger.spill()
            key = (database, OTHER, _NOWHERE_KEY, _NOWHERE_KEY)
            if key in self.tallies:
                return self.tallies[key]
            text, frame = OTHER, None
        code = frame.f_code if frame is not None else None
        site, relation = site_of(frame), ""
        if text.startswith(_ASKS):
            here = sys._getframe(1)
            relation = outside.relation_at(text, frame, here)
            if frame is not None or self.task is None:
                # Rows that a view hands over unread are asked for by the template.
                inner = outside.template_of(here, until=frame)
                site = inner if inner.line else site
        if not site.line and self._view is not None:
            site = outside.middleware_of(sys._getframe(1))
            site = site if site.function else self._view()
        tally = self.tallies[key] = ScopeCounter(database, text, site, code, relation)
        if ledger.is_new(database, text):
            tally.stack = stack_of(frame)
        return tally

    def tell(self, *, ended: bool) -> None:
        """Add what is new to the ledger; with ``ended`` the scope counts as one unit."""
        with self.lock:
            if not self.is_live:
                return
            self.is_live = not ended or self is process
            ledger.add(self.kind, self._name(), self.tallies.values(), ended=ended, run=self.run)
            if ended:
                self.tallies.clear()


class Cost(NamedTuple):
    """What a scope has taken until now: ms since its start, statements sent and the ms of those."""

    ms: float
    statements: int
    database_ms: float


current: ContextVar[Scope | None] = ContextVar("perfops_scope", default=None)
_live: set[Scope] = set()


def begin(scope: Scope) -> Token[Scope | None]:
    """Count what this thread or task sends for ``scope`` from now on."""
    _live.add(scope)
    return current.set(scope)


def end(scope: Scope, token: Token[Scope | None]) -> None:
    """Go back to the scope outside and give the counts to the ledger."""
    current.reset(token)
    finish(scope)


def finish(scope: Scope) -> None:
    """Give the counts of ``scope`` to the ledger; it may be current still."""
    _live.discard(scope)
    scope.tell(ended=True)


def cost_so_far() -> Cost | None:
    """Return that of the present request, task or command; None outside any."""
    own = current.get()
    if own is None:
        return None
    with own.lock:
        tallies = list(own.tallies.values())
    sent, seconds = sum(each.calls for each in tallies), sum(each.seconds for each in tallies)
    return Cost((perf_counter() - own.started) * 1000, sent, seconds * 1000)


def tell_all(*, ended: bool) -> None:
    """Give the ledger what live scopes have counted; requests, which are short, only at the end."""
    for scope in [*_live.copy(), process]:
        if ended or scope.kind != "request":
            scope.tell(ended=ended)


def begin_anew() -> None:
    """In a child after a fork: what was counted before is the parent's to tell."""
    global process  # noqa: PLW0603
    _live.clear()
    process = of_process()
    inherited = current.get()
    if inherited is not None:
        inherited.lock, inherited.tallies = Lock(), {}


def of_process() -> Scope:
    """Return the scope of what no request, task or command asked for."""
    kind, name = invoked(sys.argv)
    return Scope(kind, lambda: name)


def invoked(arguments: list[str]) -> tuple[str, str]:
    """Return kind and name of a process by its command line."""
    path = Path(arguments[0]) if arguments else Path()
    program = path.name
    is_django = program in {"manage.py", "django-admin"} or path.parts[-2:] == (
        "django",
        "__main__.py",
    )
    if is_django and len(arguments) > 1 and not arguments[1].startswith("-"):
        return "command", arguments[1]
    return "process", program or "python"


process = of_process()
