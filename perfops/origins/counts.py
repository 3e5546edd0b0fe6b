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


class ScopeCounter:
    """Calls, seconds and rows of one statement from one place within one scope."""

    __slots__ = ("calls", "code", "database", "reported", "rows", "seconds", "site", "text")

    def __init__(self, database: str, text: str, site: Site, code: object = None) -> None:
        self.database, self.text, self.site = database, text, site
        # The key of a tally has the id of its code: while the tally lives, the code must.
        self.code = code
        self.calls, self.seconds, self.rows = 0, 0.0, 0
        # What the ledger has already.
        self.reported = (0, 0.0, 0)


class CallTotals:
    """The sum over scopes. ``executions``: how many of them; ``most``: the most calls of one."""

    __slots__ = ("calls", "executions", "most", "rows", "seconds")

    def __init__(self) -> None:
        self.calls, self.seconds, self.rows, self.executions, self.most = 0, 0.0, 0, 0, 0

    def add(self, *, calls: int, seconds: float, rows: int, executions: int, most: int) -> None:
        self.calls += calls
        self.seconds += seconds
        self.rows += rows
        self.executions += executions
        self.most = max(self.most, most)
