"""The request that runs here: its id, its route, what it has asked of the database so far."""

import re
from contextvars import ContextVar
from functools import lru_cache

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED = "unmatched"

_CONVERTER = re.compile(r"<(?:[^>:]+:)?([^>]+)>")
_GROUP = re.compile(r"\(\?P<(\w+)>[^()]*(?:\([^()]*\)[^()]*)*\)")


class Request:
    """One request: its id, and the statements it has sent with the seconds they took."""

    __slots__ = ("id", "queries", "queries_s")

    def __init__(self, name: str) -> None:
        self.id = name
        self.queries = 0
        self.queries_s = 0.0


current: ContextVar[Request | None] = ContextVar("request", default=None)


@lru_cache(maxsize=2048)
def template(route: str) -> str:
    """Return Django's ``route`` as a URL template: ``api/<uuid:id>`` becomes ``/api/{id}``."""
    text = _CONVERTER.sub(r"{\1}", _GROUP.sub(r"{\1}", route))
    return "/" + text.replace("^", "").replace("$", "").replace("\\", "").lstrip("/")
