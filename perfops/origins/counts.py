"""What is counted: one statement, sent from one place, within one scope or on its behalf."""

from dataclasses import dataclass, field
from typing import NamedTuple

# Stands for every statement that found no room.
OTHER = "other"
# Before the statement of a cursor on the server: PostgreSQL's statistics know the DECLARE.
CURSOR = "DECLARE CURSOR FOR "


class Site(NamedTuple):
    """A place in the project; both empty when no line of the project was on the stack."""

    line: str = ""
    function: str = ""


NOWHERE = Site()


class CallKey(NamedTuple):
    """A statement and who sent it."""

    database: str
    text: str
    site: Site
    kind: str
    name: str


class ScopeKey(NamedTuple):
    """All that a kind of request, task or command asks of one database."""

    database: str
    kind: str
    name: str


class ScopeCounter:
    """Calls, seconds and rows of one statement from one place within one scope.

    ``relation``: the model's relation that was followed the first time (app.Model.name), or "".
    ``rounds``: how often the database was asked; an ``executemany`` is one for all its calls.
    """

    __slots__ = (
        "calls", "code", "database", "relation", "reported", "rounds", "rows", "seconds", "site",
        "stack", "text",
    )  # fmt: skip

    def __init__(
        self, database: str, text: str, site: Site, code: object = None, relation: str = ""
    ) -> None:
        self.database, self.text, self.site, self.relation = database, text, site, relation
        # The key of a tally has the id of its code: while the tally lives, the code must.
        self.code = code
        self.calls, self.seconds, self.rows, self.rounds = 0, 0.0, 0, 0
        # The project's frames at its first call, where this process has not told them yet.
        self.stack = ""
        # What the ledger has already.
        self.reported = (0, 0.0, 0)


@dataclass(slots=True)
class CallTotals:
    """The sum over scopes. ``executions``: how many of them; ``most``: the most calls of one.

    ``repeated_executions``: those that asked again and again (``N_PLUS_ONE_CALLS`` times or more),
    and how often all of them asked: ten among a thousand are lost in a mean.
    """

    calls: int = 0
    seconds: float = 0.0
    rows: int = 0
    executions: int = 0
    most: int = 0
    repeated_executions: int = 0
    repeated_calls: int = 0
    relation: str = ""
    stack: str = ""

    def merge(self, other: "CallTotals") -> None:
        """Add all that ``other`` has; a relation or a stack that is known stays."""
        self.calls += other.calls
        self.seconds += other.seconds
        self.rows += other.rows
        self.executions += other.executions
        self.most = max(self.most, other.most)
        self.repeated_executions += other.repeated_executions
        self.repeated_calls += other.repeated_calls
        self.relation = self.relation or other.relation
        self.stack = self.stack or other.stack


@dataclass(slots=True)
class RunCounts:
    """What the requests of load runs caused: ``calls`` by run and statement, ``routes`` by run and
    route (``executions``: its requests, those that asked nothing included).
    """

    calls: dict[tuple[int, CallKey], CallTotals] = field(default_factory=dict)
    routes: dict[tuple[int, str], CallTotals] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.routes or self.calls)

    def statement(self, run: int, sent: CallKey, most: int) -> CallTotals:
        """Return the totals to add to; past ``most`` rows those of all other statements."""
        if (run, sent) not in self.calls and len(self.calls) >= most:
            sent = CallKey(sent.database, OTHER, NOWHERE, sent.kind, OTHER)
        return self.calls.setdefault((run, sent), CallTotals())

    def requests(self, run: int, route: str, most: int) -> CallTotals:
        """Return the totals to add to; past ``most`` rows those of all other routes."""
        if (run, route) not in self.routes and len(self.routes) >= most:
            route = OTHER
        return self.routes.setdefault((run, route), CallTotals())

    def add(self, other: "RunCounts", most: int) -> None:
        """Add all that ``other`` has."""
        for (run, sent), totals in other.calls.items():
            self.statement(run, sent, most).merge(totals)
        for (run, route), totals in other.routes.items():
            self.requests(run, route, most).merge(totals)
