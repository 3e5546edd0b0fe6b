"""How a request is named wherever it is told of: by its URL template, never by its address."""

import re
from functools import lru_cache

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED = "unmatched"

_CONVERTER = re.compile(r"<(?:[^>:]+:)?([^>]+)>")
_GROUP = re.compile(r"\(\?P<(\w+)>[^()]*(?:\([^()]*\)[^()]*)*\)")


@lru_cache(maxsize=2048)
def template(route: str) -> str:
    """Return Django's ``route`` as a URL template: ``api/<uuid:id>`` becomes ``/api/{id}``."""
    text = _CONVERTER.sub(r"{\1}", _GROUP.sub(r"{\1}", route))
    return "/" + text.replace("^", "").replace("$", "").replace("\\", "").lstrip("/")
