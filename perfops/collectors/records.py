"""Rows of PostgreSQL's statistics, frozen. Times in ms or Unix seconds, sizes in bytes."""

from typing import Any

import msgspec
from django.db.backends.utils import CursorWrapper


class Server(msgspec.Struct, frozen=True):
    """``version`` as ``server_version_num`` has it: 180006. ``now`` by the database's clock."""

    version: int
    name: str
    database: str
    role: str
    started_at: float
    now: float


class Database(msgspec.Struct, frozen=True):
    """One row of pg_stat_database."""

    blocks_hit: int
    blocks_read: int
    commits: int
    rollbacks: int
    temp_bytes: int
    deadlocks: int
    reset_at: float | None

    @property
    def cache_hit_rate(self) -> float | None:
        return share(self.blocks_hit, self.blocks_read)


class Statement(msgspec.Struct, frozen=True):
    """One normalised statement, over all users."""

    queryid: str
    text: str
    calls: int
    total_ms: float
    rows: int
    blocks_hit: int
    blocks_read: int
    temp_bytes: int
    wal_bytes: int

    @property
    def mean_ms(self) -> float:
        return self.total_ms / self.calls if self.calls else 0.0


class StatementsInfo(msgspec.Struct, frozen=True):
    """How complete pg_stat_statements is: when it was emptied, how often it threw rows away."""

    reset_at: float | None
    deallocations: int


class Table(msgspec.Struct, frozen=True):
    """A table's use; ``rows`` is the planner's estimate."""

    schema: str
    name: str
    rows: int
    bytes: int
    sequential_scans: int
    sequential_rows: int
    index_scans: int
    blocks_hit: int
    blocks_read: int

    @property
    def qualified(self) -> str:
        return f"{self.schema}.{self.name}"


class Index(msgspec.Struct, frozen=True):
    """An index; ``columns`` are attribute numbers, 0 for an expression."""

    schema: str
    table: str
    name: str
    definition: str
    columns: tuple[int, ...]
    bytes: int
    scans: int
    last_scan_at: float | None
    blocks_hit: int
    blocks_read: int
    # Unique, primary, exclusion, replica identity: it does more than speed up reads.
    has_duty: bool
    is_partial: bool

    @property
    def qualified(self) -> str:
        return f"{self.schema}.{self.name}"


class ForeignKey(msgspec.Struct, frozen=True):
    schema: str
    table: str
    name: str
    columns: tuple[int, ...]


def share(part: int, rest: int) -> float | None:
    """Return part / (part + rest), None for nothing at all."""
    return part / (part + rest) if part + rest else None


def fetch[R: msgspec.Struct](cursor: CursorWrapper, record: type[R]) -> tuple[R, ...]:
    """Return the result as ``record``s: its columns stand in the order of the record's fields.

    Types are checked: a view that changes shape is an error here, not a wrong figure later.
    """
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    names = record.__struct_fields__
    named = [dict(zip(names, row, strict=True)) for row in rows]
    return msgspec.convert(named, tuple[record, ...], strict=False)  # type: ignore[valid-type]
