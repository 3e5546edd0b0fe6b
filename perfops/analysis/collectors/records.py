"""Rows of PostgreSQL's counters, frozen. Times in ms or Unix seconds, sizes in bytes.

What a server is too old to know keeps its default. States without counters are in ``states``.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from django.db.backends.utils import CursorWrapper

from perfops.database.index_sql import Partition


class UnavailableSource(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which source, why, what the analysis lacks for it, and the statement that fixes it.

    ``objects``: what of the source is lacking, as schema.name; empty: all of it.
    """

    source: str
    reason: str
    cost: str
    # Stored rows and the JSON report have named it "mend" since version 0.1.
    remedy: str = msgspec.field(name="mend")
    objects: tuple[str, ...] = ()


class SourceUnavailable(Exception):
    """Raised by a collector that knows why it can't read."""

    def __init__(self, missing: UnavailableSource) -> None:
        super().__init__(missing.reason)
        self.missing = missing


_PAGE = 5_000


class Server(msgspec.Struct, frozen=True):
    """``version`` as ``server_version_num`` has it: 180006. ``now`` by the database's clock.

    ``identity`` changes when another server answers: another cluster, or a promoted replica.
    """

    version: int
    name: str
    database: str
    role: str
    started_at: float
    now: float
    identity: str = ""
    in_recovery: bool = False
    block_bytes: int = 8192
    # The managed service that runs it (rds, cloudsql, azure, supabase, neon); "" for none known.
    service: str = ""


class Database(msgspec.Struct, frozen=True):
    """One row of pg_stat_database."""

    blocks_hit: int
    blocks_read: int
    commits: int
    rollbacks: int
    temp_bytes: int
    deadlocks: int
    reset_at: float | None
    temp_files: int = 0
    bytes: int = 0
    oid: int = 0

    @property
    def cache_hit_rate(self) -> float | None:
        return share(self.blocks_hit, self.blocks_read)


class Statement(msgspec.Struct, frozen=True):
    """One normalised statement, over all users.

    ``min_ms`` and ``max_ms`` are of its whole life, also in a difference; ``since`` is when
    its counting began, where the server knows (17).
    """

    queryid: str
    text: str
    calls: int
    total_ms: float
    rows: int
    blocks_hit: int
    blocks_read: int
    temp_bytes: int
    wal_bytes: int
    min_ms: float = 0.0
    max_ms: float = 0.0
    stddev_ms: float = 0.0
    plans: int = 0
    plan_ms: float = 0.0
    since: float | None = None

    @property
    def mean_ms(self) -> float:
        return self.total_ms / self.calls if self.calls else 0.0


class StatementsInfo(msgspec.Struct, frozen=True):
    """How complete pg_stat_statements is: when it was emptied, how often it threw rows away."""

    reset_at: float | None
    deallocations: int


class Table(msgspec.Struct, frozen=True):
    """A table's use; ``rows`` is the planner's estimate, ``bytes`` with indexes and TOAST."""

    schema: str
    name: str
    rows: int
    bytes: int
    sequential_scans: int
    sequential_rows: int
    index_scans: int
    blocks_hit: int
    blocks_read: int
    oid: int = 0
    heap_bytes: int = 0
    live: int = 0
    dead: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    hot_updated: int = 0
    changed_since_analyze: int = 0
    vacuumed_at: float | None = None
    analyzed_at: float | None = None
    # How many of its columns the planner has statistics of; -1 where we may not know.
    known_columns: int = -1
    # Transactions, and groups of row lockers, since its oldest unfrozen one.
    xid_age: int = 0
    mxid_age: int = 0
    vacuums_itself: bool = True
    # What autovacuum waits for: threshold + scale factor x rows, with the table's own options.
    vacuum_due: int = 0
    # The partitioned table at the top that it is a part of, 0 for none; is_leaf: it holds rows.
    partition_of: int = 0
    is_leaf: bool = True

    @property
    def qualified(self) -> str:
        return f"{self.schema}.{self.name}"


class Index(msgspec.Struct, frozen=True):
    """An index; ``columns`` are the attribute numbers of its key, 0 for an expression."""

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
    oid: int = 0
    is_unique: bool = False
    is_primary: bool = False
    is_valid: bool = True
    # Made by a constraint: it goes with it only.
    constraint: str = ""
    method: str = "btree"
    # Each key column or expression with its operator class, collation and order.
    keys: tuple[str, ...] = ()
    included: tuple[int, ...] = ()
    predicate: str = ""
    # On a partitioned table: its parts are the indexes of the partitions.
    is_partitioned: bool = False
    # The index of the partitioned table that it is a part of, 0 for none: it goes with it only.
    parent: int = 0

    @property
    def qualified(self) -> str:
        return f"{self.schema}.{self.name}"


class ForeignKey(msgspec.Struct, frozen=True):
    """A foreign key; ``referred`` is the table it points at, ``names`` those of its columns."""

    schema: str
    table: str
    name: str
    columns: tuple[int, ...]
    names: tuple[str, ...] = ()
    referred: str = ""
    is_partitioned: bool = False
    # Of all partitions, where its table is partitioned.
    rows: int = 0
    # All below its table, those nearest to it first.
    partitions: tuple[Partition, ...] = ()

    @property
    def qualified(self) -> str:
        return f"{self.schema}.{self.table}.{self.name}"


class Checkpoints(msgspec.Struct, frozen=True):
    """Checkpoints and the writing of dirty buffers, over the whole server."""

    timed: int
    requested: int
    write_ms: float
    sync_ms: float
    buffers: int
    # Buffers that the sessions themselves had to write, because no clean one was there.
    by_sessions: int
    cleaner_stops: int
    reset_at: float | None = None
    # When pg_stat_io, which has ``by_sessions`` since 17, was reset.
    io_reset_at: float | None = None


class Wal(msgspec.Struct, frozen=True):
    """pg_stat_wal. ``full_pages``: whole pages written after a checkpoint."""

    records: int
    full_pages: int
    bytes: int
    buffers_full: int
    reset_at: float | None = None


def share(part: int, rest: int) -> float | None:
    """Return part / (part + rest), None for nothing at all."""
    return part / (part + rest) if part + rest else None


def fetch[R: msgspec.Struct](cursor: CursorWrapper, record: type[R]) -> tuple[R, ...]:
    """Return the result as ``record``s: its columns are named as the record's fields.

    Types are checked: a view that changes shape is an error here, not a wrong figure later.
    """
    return tuple(_records(cursor, record))


def _records[R: msgspec.Struct](cursor: CursorWrapper, record: type[R]) -> Iterator[R]:
    """A page at a time: 100,000 statements as dicts would take ten times their records' memory."""
    names = [column[0] for column in cursor.description]
    unknown = set(names) - set(record.__struct_fields__)
    if unknown:
        raise TypeError(f"{record.__name__} has no fields {sorted(unknown)}")
    while rows := cursor.fetchmany(_PAGE):
        named: list[dict[str, Any]] = [dict(zip(names, row, strict=True)) for row in rows]
        yield from msgspec.convert(named, list[record], strict=False)  # type: ignore[valid-type]
