"""What happened between two snapshots: counters subtracted, with an eye on who reset them.

A counter that fell, or a new ``reset_at``, began a new epoch: what it shows then has all
happened since the reset, which lies within the window, so it counts as it stands.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from perfops.analysis.collectors.origins import Origin, PlanChange, ScopeSum
from perfops.analysis.collectors.records import (
    Checkpoints,
    Database,
    Index,
    Statement,
    Table,
    UnavailableSource,
    Wal,
)
from perfops.analysis.collectors.snapshot import Snapshot
from perfops.analysis.collectors.tables import Whole, wholes
from perfops.analysis.drift import Drift

_MAJOR = 10_000


# The sources of counters, each with the one whose reset begins them anew.
RESET_WITH = {
    "pg_stat_database": "pg_stat_database",
    "pg_stat_user_tables": "pg_stat_database",
    "pg_stat_user_indexes": "pg_stat_database",
    "pg_stat_statements": "pg_stat_statements",
    "pg_stat_checkpointer": "pg_stat_checkpointer",
    "pg_stat_wal": "pg_stat_wal",
}


@dataclass(frozen=True, slots=True)
class Epochs:
    """``began``: when (Unix time) a source's counters began anew within the window.

    ``comparable``: whether the earlier counters are those of the same server and version; where
    they are not, ``began`` has every source, and lies before the window for most.
    """

    began: dict[str, float]
    notes: tuple[str, ...]
    comparable: bool


def _epochs_between(before: Snapshot, after: Snapshot) -> Epochs:
    """Return when counters began anew between two snapshots, and what the report says of it."""
    another = _another_server(before, after)
    if another:
        return Epochs(_lifetimes(after), (another,), comparable=False)
    began = _resets(before, after)
    notes = [f"{source} was reset within the window" for source in began]
    if _fell(before, after) and "pg_stat_database" not in began:
        # A crash empties the statistics without a word; the start that followed is known.
        since = max(after.server.started_at, before.taken_at)
        began = dict.fromkeys(RESET_WITH.values(), since) | began
        notes.append("the statistics were reset within the window")
    if _deallocated(before, after):
        notes.append(
            "pg_stat_statements threw statements away: raise pg_stat_statements.max to keep all"
        )
    return Epochs(began, tuple(notes), comparable=True)


def _lifetimes(snapshot: Snapshot) -> dict[str, float]:
    """Return since when (Unix time) each source counts: its reset, else the server's start."""
    return {
        source: snapshot.server.started_at if at is None else at
        for source, at in _reset_times(snapshot).items()
    }


def _with_reset(snapshot: Snapshot) -> dict[str, Any]:
    """Return what was read of each source that can be reset; None where it was not read."""
    return {
        "pg_stat_database": snapshot.database,
        "pg_stat_statements": snapshot.statements_info,
        "pg_stat_checkpointer": snapshot.checkpoints,
        "pg_stat_wal": snapshot.wal,
    }


def _reset_times(snapshot: Snapshot) -> dict[str, float | None]:
    return {
        source: getattr(each, "reset_at", None) for source, each in _with_reset(snapshot).items()
    }


def _another_server(before: Snapshot, after: Snapshot) -> str:
    old, new = before.server, after.server
    if old.version // _MAJOR != new.version // _MAJOR:
        return f"PostgreSQL went from {old.name} to {new.name}: its counters began anew"
    if old.identity and new.identity and old.identity != new.identity:
        return "another server answers than before (a fail-over or a restore): counters began anew"
    oids = [s.database.oid for s in (before, after) if s.database and s.database.oid]
    if len(set(oids)) > 1:
        return "the database was made anew within the window: its counters began anew"
    return ""


def _resets(before: Snapshot, after: Snapshot) -> dict[str, float]:
    """Return the sources that were reset in between, and when."""
    old, new = _reset_times(before), _reset_times(after)
    has_been_read = _with_reset(before)
    return {
        source: at
        for source, at in new.items()
        if at is not None and has_been_read[source] is not None and at != old[source]
    }


def _fell(before: Snapshot, after: Snapshot) -> bool:
    old, new = before.database, after.database
    return old is not None and new is not None and new.commits < old.commits


def _deallocated(before: Snapshot, after: Snapshot) -> bool:
    old, new = before.statements_info, after.statements_info
    return old is not None and new is not None and new.deallocations > old.deallocations


_STATEMENT = (
    "calls", "total_ms", "rows", "blocks_hit", "blocks_read", "temp_bytes", "wal_bytes",
    "plans", "plan_ms",
)  # fmt: skip
_TABLE = (
    "sequential_scans", "sequential_rows", "index_scans", "blocks_hit", "blocks_read",
    "inserted", "updated", "deleted", "hot_updated",
)  # fmt: skip
_INDEX = ("scans", "blocks_hit", "blocks_read")
_DATABASE = (
    "blocks_hit", "blocks_read", "commits", "rollbacks", "temp_bytes", "deadlocks", "temp_files",
)  # fmt: skip
_CHECKPOINTS = (
    "timed", "requested", "write_ms", "sync_ms", "buffers", "by_sessions", "cleaner_stops",
)  # fmt: skip
# What a window may lack of a source's counters while the rest still speaks for all of it.
_MOST_OF_IT, _DAY_S = 0.9, 86_400.0
_WAL = ("records", "full_pages", "bytes", "buffers_full")


@dataclass(frozen=True, slots=True)
class Window:
    """The difference. ``covered`` is the share of ``seconds`` that the counters really show."""

    seconds: float
    covered: float
    notes: tuple[str, ...]
    database: Database | None
    statements: tuple[Statement, ...]
    has_statements: bool
    tables: tuple[Table, ...]
    indexes: tuple[Index, ...]
    # The later snapshot: totals, sizes, definitions.
    after: Snapshot
    # The earlier one, None when there is none: then all is since the statistics began.
    before: Snapshot | None = None
    checkpoints: Checkpoints | None = None
    wal: Wal | None = None
    # From our own tables: who sent what, and which plans changed.
    origins: tuple[Origin, ...] = ()
    plan_changes: tuple[PlanChange, ...] = ()
    scopes: tuple[ScopeSum, ...] = ()
    # Over how many seconds each source was really counted, by the source whose reset ends it.
    seen: Mapping[str, float] = field(default_factory=dict)
    # Whether the two snapshots are of one server and version.
    comparable: bool = True
    # Tables that installed packages declare, each with its package.
    packages: Mapping[str, str] = field(default_factory=dict)
    # Where models and database differ.
    drift: tuple[Drift, ...] = ()
    # The alias in DATABASES.
    alias: str = "default"
    # Of each alias that is a read replica: how often it scanned the indexes, by their oid.
    replica_scans: Mapping[str, Mapping[int, int]] = field(default_factory=dict)

    @property
    def missing(self) -> tuple[UnavailableSource, ...]:
        return self.after.missing

    @property
    def whole_tables(self) -> list[Whole]:
        """Return the tables, of a partitioned one the sums of its partitions instead of each."""
        return wholes(self.tables)

    @property
    def seconds_seen(self) -> float:
        """Return over how many seconds every counter was really counted."""
        return self.seconds * self.covered

    def shares(self) -> dict[str, float]:
        """Return the share (0 to 1) of the database's time that each statement took, by its ID."""
        all_ms = sum(each.total_ms for each in self.statements)
        if not all_ms:
            return {}
        return {each.queryid: each.total_ms / all_ms for each in self.statements}

    def seconds_of(self, source: str) -> float:
        """Return over how many seconds ``source`` was really counted: its rates divide by it."""
        return self.seen.get(RESET_WITH.get(source, source), self.seconds_seen)

    def is_complete(self, source: str) -> bool:
        """Say whether what ``source`` does not show (any more) is really not there.

        Counters must have been counted over most of the window, or for a day. A source that
        lacks named objects is complete for the others.
        """
        if any(each.source == source and not each.objects for each in self.missing):
            return False
        if source not in RESET_WITH:
            return True
        enough = min(_MOST_OF_IT * self.seconds, _DAY_S)
        return self.comparable and self.seconds_of(source) >= enough


def between(before: Snapshot, after: Snapshot) -> Window:
    """Return what happened from ``before`` to ``after``."""
    seconds = max(0.0, after.taken_at - before.taken_at)
    found = _epochs_between(before, after)
    seen = dict.fromkeys(RESET_WITH.values(), seconds)
    seen |= {source: max(0.0, after.taken_at - at) for source, at in found.began.items()}
    covered = max(0.0, min(1.0, min(seen.values()) / seconds)) if seconds else 1.0
    # Another server's counters, or another version's ids, have nothing to be subtracted from.
    earlier = before if found.comparable else _nothing(before)
    return Window(
        seconds=seconds,
        covered=covered,
        seen=seen,
        comparable=found.comparable,
        notes=found.notes,
        database=_one(earlier.database, after.database, _DATABASE),
        statements=_statements(earlier, after),
        has_statements=after.statements is not None,
        tables=_subtract(
            earlier.tables, after.tables, _TABLE, lambda t: (t.qualified, t.oid)
        ),
        indexes=_subtract(
            earlier.indexes, after.indexes, _INDEX, lambda i: (i.qualified, i.oid)
        ),
        after=after,
        before=before,
        checkpoints=_one(_checkpoints(earlier, after), after.checkpoints, _CHECKPOINTS),
        wal=_one(earlier.wal, after.wal, _WAL),
    )  # fmt: skip


def since_reset(snapshot: Snapshot) -> Window:
    """Return everything the counters hold: for a first analysis, without an earlier snapshot."""
    began = statistics_since(snapshot)
    return Window(
        seconds=max(0.0, snapshot.taken_at - began),
        covered=1.0,
        seen={
            source: max(0.0, snapshot.taken_at - at) for source, at in _lifetimes(snapshot).items()
        },
        notes=("no earlier snapshot: everything since the statistics began",),
        database=snapshot.database,
        statements=snapshot.statements or (),
        has_statements=snapshot.statements is not None,
        tables=snapshot.tables,
        indexes=snapshot.indexes,
        after=snapshot,
        checkpoints=snapshot.checkpoints,
        wal=snapshot.wal,
    )


def statistics_since(snapshot: Snapshot) -> float:
    """Return since when (Unix time) the table and index counters count; at worst since start."""
    reset = snapshot.database.reset_at if snapshot.database else None
    return reset if reset is not None else snapshot.server.started_at


def _checkpoints(before: Snapshot, after: Snapshot) -> Checkpoints | None:
    """Return the earlier counters; what pg_stat_io counted for them begins with its own reset."""
    old, new = before.checkpoints, after.checkpoints
    if old is None or new is None or old.io_reset_at == new.io_reset_at:
        return old
    return msgspec.structs.replace(old, by_sessions=0)


def _nothing(before: Snapshot) -> Snapshot:
    return Snapshot(taken_at=before.taken_at, server=before.server)


def _one[R: msgspec.Struct](before: R | None, after: R | None, counters: Sequence[str]) -> R | None:
    return None if after is None else _minus(after, before, counters)


def _statements(before: Snapshot, after: Snapshot) -> tuple[Statement, ...]:
    earlier = {s.queryid: s for s in before.statements or ()}
    found = []
    for statement in after.statements or ():
        old = earlier.get(statement.queryid)
        if statement.since is not None and statement.since > before.taken_at:
            # Thrown away and met again: it has been counted anew.
            old = None
        change = _minus(statement, old, _STATEMENT)
        if change is not statement and old is not None:
            change = msgspec.structs.replace(change, stddev_ms=_deviation(old, statement, change))
        if change.calls > 0:
            found.append(change)
    return tuple(found)


def _deviation(before: Statement, after: Statement, change: Statement) -> float:
    """Take the earlier calls out of the deviation of all: Chan's formula for the sum of squares."""
    if change.calls <= 0:
        return 0.0
    squares = after.stddev_ms**2 * after.calls - before.stddev_ms**2 * before.calls
    apart = change.mean_ms - before.mean_ms
    squares -= apart**2 * before.calls * change.calls / after.calls
    return float(max(0.0, squares / change.calls) ** 0.5)


def _subtract[R: msgspec.Struct](
    before: Iterable[R],
    after: Iterable[R],
    counters: Sequence[str],
    key: Callable[[R], Hashable],
) -> tuple[R, ...]:
    earlier = {key(record): record for record in before}
    return tuple(_minus(record, earlier.get(key(record)), counters) for record in after)


def _minus[R: msgspec.Struct](after: R, before: R | None, counters: Sequence[str]) -> R:
    if before is None or any(getattr(after, c) < getattr(before, c) for c in counters):
        return after
    changes = {c: getattr(after, c) - getattr(before, c) for c in counters}
    return msgspec.structs.replace(after, **changes)
