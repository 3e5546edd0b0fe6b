"""Keyset pagination: every page costs the same, however far one has walked."""

import base64
import binascii
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.core.paginator import Paginator
from django.db import connections
from django.db.models import Q, QuerySet

MAX_LIMIT = 100
DEFAULT_LIMIT = 20

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAYOUT = struct.Struct(">cq16s")
_FORWARD, _BACKWARD = b"f", b"b"


class BadCursor(ValueError):
    """The cursor is not one that we gave out."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The row one stands at, and the way one walks from it."""

    created_at: datetime
    id: UUID
    backward: bool = False

    def encode(self) -> str:
        microseconds = (self.created_at - _EPOCH) // timedelta(microseconds=1)
        way = _BACKWARD if self.backward else _FORWARD
        packed = _LAYOUT.pack(way, microseconds, self.id.bytes)
        return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def decode(text: str) -> Cursor:
    """Return the cursor in ``text``. Raises ``BadCursor``."""
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        way, microseconds, key = _LAYOUT.unpack(packed)
        if way not in {_FORWARD, _BACKWARD}:
            raise BadCursor("unknown direction")
        return Cursor(
            _EPOCH + timedelta(microseconds=microseconds), UUID(bytes=key), way == _BACKWARD
        )
    except (binascii.Error, struct.error, OverflowError, ValueError) as error:
        raise BadCursor(
            "is not a cursor of this list: start without one, then follow `next` or `previous`"
        ) from error


@dataclass(frozen=True, slots=True)
class Page[Row]:
    """Rows in the list's order, and the cursors to both sides (None at an end)."""

    rows: Sequence[Row]
    next: str | None
    previous: str | None


def page[Row](
    queryset: QuerySet[Any, Row], *, limit: int, cursor: Cursor | None, key: Callable[[Row], Cursor]
) -> Page[Row]:
    """Cut a page out of ``queryset``, newest first by (created_at, id). One query.

    ``key`` makes the (forward) cursor of a row.
    """
    backward = cursor is not None and cursor.backward
    if cursor is not None:
        queryset = queryset.filter(_beyond(cursor))
    order = ("created_at", "id") if backward else ("-created_at", "-id")
    found = list(queryset.order_by(*order)[: limit + 1])
    rows = found[:limit][::-1] if backward else found[:limit]
    more = len(found) > limit
    if not rows:
        return Page(rows, None, None)
    has_next = True if backward else more
    has_previous = more if backward else cursor is not None
    return Page(
        rows,
        key(rows[-1]).encode() if has_next else None,
        _reverse(key(rows[0])).encode() if has_previous else None,
    )


def _beyond(cursor: Cursor) -> Q:
    """The first condition is implied by the second; it lets the planner seek in the index."""
    if cursor.backward:
        return Q(created_at__gte=cursor.created_at) & (
            Q(created_at__gt=cursor.created_at) | Q(id__gt=cursor.id)
        )
    return Q(created_at__lte=cursor.created_at) & (
        Q(created_at__lt=cursor.created_at) | Q(id__lt=cursor.id)
    )


def _reverse(cursor: Cursor) -> Cursor:
    return Cursor(cursor.created_at, cursor.id, not cursor.backward)


def link(path: str, *, cursor: str | None, limit: int) -> str | None:
    """Return the URL (relative to the host) of a neighbouring page."""
    return None if cursor is None else f"{path}?{urlencode({'limit': limit, 'cursor': cursor})}"


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
