"""Indexes that another one makes needless: the same again, or its beginning."""

from collections import defaultdict
from collections.abc import Iterable

from perfops.analysis.advisors.detection import DetectedIssue, IndexSubject
from perfops.analysis.advisors.index_identity import drop_statement, is_equal, is_prefix
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.records import Index
from perfops.conf import Conf
from perfops.formatting import by_hand, megabytes

ID = "duplicate_indexes"
TITLE = "Duplicate and redundant indexes"
NEEDS = ("pg_stat_user_indexes",)

_IN_DJANGO = (
    "In Django: take it out of Meta.indexes (or db_index, which a ForeignKey sets by itself: "
    "db_index=False) and use RemoveIndexConcurrently."
)


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    found = []
    for index, better in needless(window, limits):
        package = window.packages.get(index.table, "")
        found.append(_advice(index, better, package, matters=_matters(index, better, limits)))
    return found


def needless(window: Window, limits: Conf) -> list[tuple[Index, Index]]:
    """Return each index that another one makes needless, with that one.

    Django makes many a small one beside a unique constraint: no one has to hurry, and where a
    package declares it there is nothing to do.
    """
    found = []
    for beside in _by_table(window.after.indexes):
        for index in beside:
            better = next((other for other in beside if _replaces(other, index)), None)
            if better is not None and (
                _matters(index, better, limits) or not window.packages.get(index.table, "")
            ):
                found.append((index, better))
    return found


def _matters(index: Index, better: Index, limits: Conf) -> bool:
    return is_equal(index, better) or index.bytes >= limits.UNUSED_INDEX_MIN_BYTES


def _by_table(indexes: Iterable[Index]) -> Iterable[list[Index]]:
    tables = defaultdict(list)
    for index in indexes:
        if index.is_valid and index.keys:
            tables[index.schema, index.table].append(index)
    return tables.values()


def _replaces(other: Index, index: Index) -> bool:
    """Say whether ``index`` can go as long as ``other`` stays; never both ways round.

    A part of a partitioned table's index can't go by itself.
    """
    if other is index or index.constraint or index.parent:
        return False
    if is_equal(index, other):
        if index.has_duty:
            return index.is_unique and other.is_unique and _rank(other) > _rank(index)
        return _rank(other) > _rank(index)
    return not index.has_duty and is_prefix(index, other)


def _rank(index: Index) -> tuple[bool, bool, bool, int]:
    """Of two equal ones the one with more duties stays, then the older one."""
    return index.is_primary, bool(index.constraint), index.has_duty, -index.oid


def _advice(index: Index, better: Index, package: str, *, matters: bool) -> DetectedIssue:
    what = "is the same as" if is_equal(index, better) else "is the beginning of"
    # A replica identity, or a foreign key, may hang on this very unique index.
    check = "Make sure that no REPLICA IDENTITY names it; then drop it. " if index.has_duty else ""
    return DetectedIssue(
        advisor=ID,
        object=index.qualified,
        index=IndexSubject(index.schema, index.table, index.name, index.definition),
        severity="warning" if matters else "info",
        title=f"Index {index.qualified} {what} {better.name}",
        evidence={
            "table": f"{index.schema}.{index.table}",
            "size in MB": megabytes(index.bytes),
            "definition": index.definition,
            "other definition": better.definition,
            "scans": index.scans,
        },
        why="Every write keeps both up to date, and both take memory; one answers all questions.",
        remedy=check + (by_hand(package, "drop it") if package else _IN_DJANGO),
        statement="" if index.has_duty else drop_statement(index),
    )
