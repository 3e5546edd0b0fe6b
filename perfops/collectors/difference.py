"""What happened between two snapshots: counters subtracted, with an eye on who reset them.

A counter that fell, or a new ``reset_at``, began a new epoch: what it shows then has all
happened since the reset, which lies within the window, so it counts as it stands.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import msgspec

from perfops.collectors.missing import Missing
from perfops.collectors.origins import Origin, PlanChange
from perfops.collectors.records import Database, Index, Statement, Table
from perfops.collectors.snapshot import Snapshot

_STATEMENT = ("calls", "total_ms", "rows", "blocks_hit", "blocks_read", "temp_bytes", "wal_bytes")
_TABLE = ("sequential_scans", "sequential_rows", "index_scans", "blocks_hit", "blocks_read")
_INDEX = ("scans", "blocks_hit", "blocks_read")
_DATABASE = ("blocks_hit", "blocks_read", "commits", "rollbacks", "temp_bytes", "deadlocks")


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
    # From our own tables: who sent what, and which plans changed.
    origins: tuple[Origin, ...] = ()
    plan_changes: tuple[PlanChange, ...] = ()

    @property
    def missing(self) -> tuple[Missing, ...]:
        return self.after.missing


def between(before: Snapshot, after: Snapshot) -> Window:
    """Return what happened from ``before`` to ``after``."""
    seconds = max(0.0, after.taken_at - before.taken_at)
    resets = _resets(before, after)
    covered = 1.0
    if resets and seconds:
        covered = min(1.0, (after.taken_at - max(resets.values())) / seconds)
    notes = [f"{source} was reset within the window" for source in resets]
    if _deallocated(before, after):
        notes.append(
            "pg_stat_statements threw statements away: raise pg_stat_statements.max to keep all"
        )
    return Window(
        seconds=seconds,
        covered=covered,
        notes=tuple(notes),
        database=_database(before.database, after.database),
        statements=_subtract(
            before.statements or (), after.statements or (), _STATEMENT, lambda s: s.queryid,
            seen=lambda s: s.calls > 0,
        ),
        has_statements=after.statements is not None,
        tables=_subtract(before.tables, after.tables, _TABLE, lambda t: t.qualified),
        indexes=_subtract(before.indexes, after.indexes, _INDEX, lambda i: i.qualified),
        after=after,
    )  # fmt: skip


def since_reset(snapshot: Snapshot) -> Window:
    """Return everything the counters hold: for a first analysis, without an earlier snapshot."""
    began = statistics_since(snapshot)
    return Window(
        seconds=max(0.0, snapshot.taken_at - began),
        covered=1.0,
        notes=("no earlier snapshot: everything since the statistics began",),
        database=snapshot.database,
        statements=snapshot.statements or (),
        has_statements=snapshot.statements is not None,
        tables=snapshot.tables,
        indexes=snapshot.indexes,
        after=snapshot,
    )


def statistics_since(snapshot: Snapshot) -> float:
    """Return since when (Unix time) the table and index counters count; at worst since start."""
    reset = snapshot.database.reset_at if snapshot.database else None
    return reset if reset is not None else snapshot.server.started_at


def _resets(before: Snapshot, after: Snapshot) -> dict[str, float]:
    """Return the sources that were reset in between, and when."""
    found = {}
    pairs = {
        "pg_stat_database": (before.database, after.database),
        "pg_stat_statements": (before.statements_info, after.statements_info),
    }
    for source, (old, new) in pairs.items():
        if old is not None and new is not None and new.reset_at not in {None, old.reset_at}:
            assert new.reset_at is not None  # noqa: S101 -- said just above
            found[source] = new.reset_at
    if not found and _fell(before, after):
        # A crash empties the statistics without a word; the start that followed is known.
        found["the statistics"] = max(after.server.started_at, before.taken_at)
    return found


def _fell(before: Snapshot, after: Snapshot) -> bool:
    old, new = before.database, after.database
    return old is not None and new is not None and new.commits < old.commits


def _deallocated(before: Snapshot, after: Snapshot) -> bool:
    old, new = before.statements_info, after.statements_info
    return old is not None and new is not None and new.deallocations > old.deallocations


def _database(before: Database | None, after: Database | None) -> Database | None:
    if before is None or after is None:
        return after
    return _subtract((before,), (after,), _DATABASE, lambda _: "")[0]


def _subtract[R: msgspec.Struct](
    before: Iterable[R],
    after: Sequence[R],
    counters: tuple[str, ...],
    key: Callable[[R], str],
    *,
    seen: Callable[[R], bool] = lambda _: True,
) -> tuple[R, ...]:
    earlier = {key(record): record for record in before}
    differences = (_minus(record, earlier.get(key(record)), counters) for record in after)
    return tuple(record for record in differences if seen(record))


def _minus[R: msgspec.Struct](after: R, before: R | None, counters: tuple[str, ...]) -> R:
    if before is None or any(getattr(after, c) < getattr(before, c) for c in counters):
        return after
    changes = {c: getattr(after, c) - getattr(before, c) for c in counters}
    return msgspec.structs.replace(after, **changes)
