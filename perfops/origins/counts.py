"""What is counted: one statement, sent from one place, within one scope or on its behalf."""

from dataclasses import dataclass
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
