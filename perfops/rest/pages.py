"""Pages of lists, newest first: by the key after which a page begins, so each costs the same."""

from typing import Annotated, Any
from urllib.parse import urlencode

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from ninja import Query

MAX_LIMIT = 100
DEFAULT_LIMIT = 20
LARGEST_KEY = 2**63 - 1

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Rows of a page.")]
Cursor = Annotated[
    int | None, Query(ge=1, le=LARGEST_KEY, description="Follow `next` instead of making one.")
]


def cut[Row: Model](
    request: HttpRequest, rows: QuerySet[Row], limit: int, cursor: int | None
) -> tuple[list[Row], str | None]:
    """Return a page of ``rows`` by falling key, and the address of the next one. One query."""
    if cursor is not None:
        rows = rows.filter(pk__lt=cursor)
    found = list(rows.order_by("-pk")[: limit + 1])
    shown = found[:limit]
    if len(found) <= limit:
        return shown, None
    asked: dict[str, Any] = {k: v for k, v in request.GET.items() if k not in {"limit", "cursor"}}
    query = urlencode({**asked, "limit": limit, "cursor": shown[-1].pk})
    return shown, f"{request.path}?{query}"
