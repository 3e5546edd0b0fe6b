"""What is counted: one statement, sent from one place, within one scope or on its behalf."""

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
        "text",
    )  # fmt: skip

    def __init__(
        self, database: str, text: str, site: Site, code: object = None, relation: str = ""
    ) -> None:
        self.database, self.text, self.site, self.relation = database, text, site, relation
        # The key of a tally has the id of its code: while the tally lives, the code must.
        self.code = code
        self.calls, self.seconds, self.rows, self.rounds = 0, 0.0, 0, 0
        # What the ledger has already.
        self.reported = (0, 0.0, 0)


class CallTotals:
    """The sum over scopes. ``executions``: how many of them; ``most``: the most calls of one.

    ``repeated_executions``: those that asked again and again (``N_PLUS_ONE_CALLS`` times or more),
    and how often all of them asked: ten among a thousand are lost in a mean.
    """

    __slots__ = (
        "calls", "executions", "most", "relation", "repeated_calls", "repeated_executions", "rows",
        "seconds",
    )  # fmt: skip

    def __init__(self) -> None:
        self.relation = ""
        self.calls, self.seconds, self.rows, self.executions, self.most = 0, 0.0, 0, 0, 0
        self.repeated_executions, self.repeated_calls = 0, 0

    def add(
        self,
        *,
        calls: int,
        seconds: float,
        rows: int,
        executions: int,
        most: int,
        repeated_executions: int,
        repeated_calls: int,
    ) -> None:
        self.calls += calls
        self.seconds += seconds
        self.rows += rows
        self.executions += executions
        self.most = max(self.most, most)
        self.repeated_executions += repeated_executions
        self.repeated_calls += repeated_calls

    def merge(self, other: "CallTotals") -> None:
        """Add all that ``other`` has."""
        self.add(
            calls=other.calls, seconds=other.seconds, rows=other.rows,
            executions=other.executions, most=other.most,
            repeated_executions=other.repeated_executions, repeated_calls=other.repeated_calls,
        )  # fmt: skip
