"""Keyset pagination: every page costs the same, however far one has walked."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from django.core.paginator import Paginator
from django.db import connections
from django.db.models import Q, QuerySet
from msgspec import Meta
from ninja import Schema

from midst.kernel.problems import INVALID, FieldError, Problem

MAX_LIMIT = 100
DEFAULT_LIMIT = 20

Moment = Annotated[datetime, Meta(tz=True)]
Position = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Name = Annotated[str, Meta(max_length=200, pattern=r"^[^\x00]*$")]


class BadCursor(Problem):
    """The cursor is not one that this list has returned: a 422."""

    def __init__(self) -> None:
        message = "is not a cursor of this list: start without one, then follow `next`, `previous`"
        super().__init__(INVALID, message, errors=[FieldError("query.cursor", message)])


@dataclass(frozen=True, slots=True)
class Order:
    """How a list is ordered: by two columns in one direction, the second one unique.

    ``first`` and ``second`` name them, ``kinds`` gives their types for the cursor.
    """

    first: str
    second: str
    kinds: tuple[Any, Any]
    descending: bool = True

    def columns(self, *, backward: bool = False) -> tuple[str, str]:
        sign = "-" if self.descending != backward else ""
        return f"{sign}{self.first}", f"{sign}{self.second}"


NEWEST = Order("created_at", "id", (Moment, UUID))


@dataclass(frozen=True, slots=True)
class Cursor:
    """The row one stands at, and the way one walks from it."""

    first: Any
    second: Any
    backward: bool = False

    def encode(self) -> str:
        packed = msgspec.msgpack.encode((self.backward, self.first, self.second))
        return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def decode(text: str, order: Order) -> Cursor:
    """Return the cursor in ``text``. Raises ``BadCursor``."""
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        backward, first, second = _decoder(order.kinds).decode(packed)
        cursor = Cursor(first, second, backward)
        if cursor.encode() == text:
            return cursor
    except (
        binascii.Error, msgspec.DecodeError, UnicodeDecodeError, ValueError, OverflowError
    ) as error:  # fmt: skip
        raise BadCursor from error
    # It means a position, but is not how we spell it: an offset that PostgreSQL refuses, a key in
    # upper case. Each spelling would have its own entry in the cache.
    raise BadCursor


@cache
def _decoder(kinds: tuple[Any, Any]) -> msgspec.msgpack.Decoder[tuple[bool, Any, Any]]:
    return msgspec.msgpack.Decoder(tuple[(bool, *kinds)])  # type: ignore[valid-type]


@dataclass(frozen=True, slots=True)
class Page[Row]:
    """Rows in the list's order, and the cursors to both sides (None at an end)."""

    rows: Sequence[Row]
    next: str | None
    previous: str | None


def page(
    queryset: QuerySet[Any, dict[str, Any]], *, limit: int, cursor: str, order: Order = NEWEST
) -> Page[dict[str, Any]]:
    """Cut a page out of ``queryset`` of dictionaries. One query. Raises ``BadCursor``.

    The rows must hold the columns of ``order``; a client's ``cursor`` is "" at the start.
    """
    at = decode(cursor, order) if cursor else None
    backward = at is not None and at.backward
    if at is not None:
        queryset = queryset.filter(beyond(at, order))
    found = list(queryset.order_by(*order.columns(backward=backward))[: limit + 1])
    rows = found[:limit][::-1] if backward else found[:limit]
    more = len(found) > limit
    if not rows:
        return Page(rows, None, None)

    def cursor_at(row: dict[str, Any], *, backward: bool) -> str:
        return Cursor(row[order.first], row[order.second], backward).encode()

    return Page(
        rows,
        cursor_at(rows[-1], backward=False) if backward or more else None,
        cursor_at(rows[0], backward=True) if (more if backward else at is not None) else None,
    )


def beyond(at: Cursor, order: Order) -> Q:
    """The first condition is implied by the second; it lets the planner seek in the index."""
    way = "lt" if order.descending != at.backward else "gt"
    return Q((f"{order.first}__{way}e", at.first)) & (
        Q((f"{order.first}__{way}", at.first)) | Q((f"{order.second}__{way}", at.second))
    )


def encode(page: Page[dict[str, Any]], *, path: str, limit: int, **query: str) -> bytes:
    """Return the list's body. ``path`` and ``query`` (empty values left out) make its links,
    relative to the host, so that a kept answer is good for every host.
    """
    rest = {name: value for name, value in query.items() if value}

    def link(cursor: str | None) -> str | None:
        if cursor is None:
            return None
        return f"{path}?{urlencode({**rest, 'limit': limit, 'cursor': cursor})}"

    return msgspec.json.encode(
        {"results": page.rows, "next": link(page.next), "previous": link(page.previous)}
    )


class BoundedCountPaginator(Paginator):
    """For the admin on large tables: counts up to ``BOUND`` rows, past it believes the planner."""

    BOUND = 10_000

    @property
    def count(self) -> int:
        if not hasattr(self, "_count"):
            self._count = self._bounded_count()
        return self._count

    def _bounded_count(self) -> int:
        queryset = self.object_list
        assert isinstance(queryset, QuerySet)  # noqa: S101 -- the admin gives nothing else
        counted: int = queryset.order_by()[: self.BOUND + 1].count()
        if counted <= self.BOUND or queryset.query.where:
            return counted
        with connections[queryset.db].cursor() as cursor:
            cursor.execute(
                "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass",
                [f'"{queryset.model._meta.db_table}"'],
            )
            estimate: int = cursor.fetchone()[0]
        return max(counted, estimate)


class Listing[Item](Schema):
    """A page of a list; ``next`` and ``previous`` are addresses, null at an end."""

    results: list[Item]
    next: str | None
    previous: str | None
