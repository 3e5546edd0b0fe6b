"""When counters began anew between two snapshots, and what the report says about it."""

from dataclasses import dataclass

from perfops.analysis.collectors.snapshot import Snapshot

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


def between(before: Snapshot, after: Snapshot) -> Epochs:
    another = _another_server(before, after)
    if another:
        return Epochs(lifetimes(after), (another,), comparable=False)
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


def lifetimes(snapshot: Snapshot) -> dict[str, float]:
    """Return since when (Unix time) each source counts: its reset, else the server's start."""
    return {
        source: snapshot.server.started_at if at is None else at
        for source, at in _reset_times(snapshot).items()
    }


def _reset_times(snapshot: Snapshot) -> dict[str, float | None]:
    kept = {
        "pg_stat_database": snapshot.database,
        "pg_stat_statements": snapshot.statements_info,
        "pg_stat_checkpointer": snapshot.checkpoints,
        "pg_stat_wal": snapshot.wal,
    }
    return {source: getattr(each, "reset_at", None) for source, each in kept.items()}


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
    has_been_read = {
        "pg_stat_database": before.database,
        "pg_stat_statements": before.statements_info,
        "pg_stat_checkpointer": before.checkpoints,
        "pg_stat_wal": before.wal,
    }
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
