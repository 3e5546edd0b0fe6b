"""Indexes that cost every write and serve no read."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from perfops.analysis.advisors.detection import DetectedIssue, IndexSubject
from perfops.analysis.advisors.duplicate_indexes import needless
from perfops.analysis.advisors.index_identity import drop_statement, serves
from perfops.analysis.collectors.difference import Window, statistics_since
from perfops.analysis.collectors.records import ForeignKey, Index
from perfops.conf import Conf
from perfops.formatting import by_hand, megabytes, time_text

ID = "unused_indexes"
TITLE = "Unused indexes"
NEEDS = ("pg_stat_user_indexes", "pg_stat_database", "foreign keys")

_DAY_S = 24 * 3600
_IN_DJANGO = "In Django: take it out of Meta.indexes and use RemoveIndexConcurrently."


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    snapshot = window.after
    if snapshot.server.in_recovery:
        # A replica knows its own reads only.
        return []
    days = (snapshot.taken_at - statistics_since(snapshot)) / _DAY_S
    if days < limits.UNUSED_INDEX_MIN_DAYS:
        return []
    # These are reported already, whether they are used or not: an index is dropped once.
    reported = {index.oid: (index, better) for index, better in needless(window, limits)}
    stands_for = _stands_for(reported)
    idle = [
        index
        for index in snapshot.indexes
        if index.oid not in reported
        and not index.has_duty
        and not index.parent
        and index.is_valid
        and index.bytes >= limits.UNUSED_INDEX_MIN_BYTES
        and all(
            each.scans == 0
            and not any(scans.get(each.oid) for scans in window.replica_scans.values())
            and _idle_days(each, snapshot.taken_at, days) >= limits.UNUSED_INDEX_MIN_DAYS
            for each in (index, *stands_for[index.oid])
        )
    ]
    # Of several that serve one key the longest stays: the others are its beginnings.
    kept = [index for index in snapshot.indexes if index.oid not in reported]
    found = []
    for index in sorted(idle, key=lambda each: (len(each.columns), each.qualified)):
        if not _is_the_only_one_under_a_key(index, kept, snapshot.foreign_keys):
            kept.remove(index)
            found.append(_advice(index, days, window))
    return found


def _stands_for(reported: Mapping[int, tuple[Index, Index]]) -> Mapping[int, list[Index]]:
    """Return of each index that stays those that go as it does what they do: it serves their scans
    from then on.
    """
    found: dict[int, list[Index]] = defaultdict(list)
    for index, stays in reported.values():
        last = stays
        while last.oid in reported:
            last = reported[last.oid][1]
        found[last.oid].append(index)
    return found


def _idle_days(index: Index, now: float, statistics_days: float) -> float:
    """The last scan outlives a reset of the counters."""
    return statistics_days if index.last_scan_at is None else (now - index.last_scan_at) / _DAY_S


def _is_the_only_one_under_a_key(
    index: Index, indexes: Iterable[Index], keys: Iterable[ForeignKey]
) -> bool:
    """Deleting a referenced row looks for referring ones: no SELECT of ours, but it needs it."""
    beside = [other for other in indexes if other != index]
    return any(
        serves(index, key) and not any(serves(other, key) for other in beside)
        for key in keys
        if (key.schema, key.table) == (index.schema, index.table)
    )


def _advice(index: Index, days: float, window: Window) -> DetectedIssue:
    package = window.packages.get(index.table, "")
    return DetectedIssue(
        advisor=ID,
        object=index.qualified,
        index=IndexSubject(index.schema, index.table, index.name, index.definition),
        severity="warning",
        title=f"Index {index.qualified} has not been used for {time_text(days * _DAY_S)}",
        evidence={
            "table": f"{index.schema}.{index.table}",
            "size in MB": megabytes(index.bytes),
            "scans": index.scans,
            **{
                f"scans on {alias}": scans[index.oid]
                for alias, scans in window.replica_scans.items()
                if index.oid in scans
            },
            "days observed": round(days, 1),
            "definition": index.definition,
        },
        why="Every write to the table keeps it up to date, and it takes memory from the cache.",
        remedy=(
            "Make sure no replica and no rare job (a month's end) needs it, then drop it. "
            + (by_hand(package, "drop it") if package else _IN_DJANGO)
        ),
        statement=drop_statement(index),
    )
