"""When counters began anew between two snapshots, and what the report says about it."""

from dataclasses import dataclass

from perfops.analysis.collectors.snapshot import Snapshot

_MAJOR = 10_000


@dataclass(frozen=True, slots=True)
class Epochs:
    """``began``: when (Unix time) counters began anew within the window.

    ``comparable``: whether the earlier counters are those of the same server and version.
    """

    began: tuple[float, ...]
    notes: tuple[str, ...]
    comparable: bool


def between(before: Snapshot, after: Snapshot) -> Epochs:
    another = _another_server(before, after)
    if another:
        return Epochs((max(_began(after), before.taken_at),), (another,), comparable=False)
    resets = _resets(before, after)
    notes = [f"{source} was reset within the window" for source in resets]
    if _deallocated(before, after):
        notes.append(
            "pg_stat_statements threw statements away: raise pg_stat_statements.max to keep all"
        )
    return Epochs(tuple(resets.values()), tuple(notes), comparable=True)


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


def _began(after: Snapshot) -> float:
    reset = after.database.reset_at if after.database else None
    return after.server.started_at if reset is None else reset


def _resets(before: Snapshot, after: Snapshot) -> dict[str, float]:
    """Return the sources that were reset in between, and when."""
    found = {}
    pairs = {
        "pg_stat_database": (before.database, after.database),
        "pg_stat_statements": (before.statements_info, after.statements_info),
    }
    for source, (old, new) in pairs.items():
        if old is None or new is None or new.reset_at is None:
            continue
        if new.reset_at != old.reset_at:
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
