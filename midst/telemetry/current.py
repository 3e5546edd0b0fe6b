"""The request that runs here, as all who tell of it know it."""

from contextvars import ContextVar


class Request:
    """Its id, and what it has asked of the database so far: statements and seconds."""

    __slots__ = ("id", "queries", "queries_s")

    def __init__(self, name: str) -> None:
        self.id = name
        self.queries = 0
        self.queries_s = 0.0


request: ContextVar[Request | None] = ContextVar("request", default=None)
