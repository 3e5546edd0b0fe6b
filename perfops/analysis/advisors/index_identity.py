"""Which index serves which foreign key, and which index serves what another one does."""

from perfops.analysis.collectors.records import ForeignKey, Index


def serves(index: Index, key: ForeignKey) -> bool:
    """Say whether the rows that refer to a given one are found by ``index``."""
    if not index.is_valid or (index.schema, index.table) != (key.schema, key.table):
        return False
    if set(index.columns[: len(key.columns)]) != set(key.columns):
        return False
    # NULL refers to nothing: an index without them serves the key as well.
    without_null = {f"({name} IS NOT NULL)" for name in key.names[:1] if len(key.names) == 1}
    return not index.is_partial or index.predicate in without_null


def is_equal(one: Index, other: Index) -> bool:
    """Say whether the two answer exactly the same questions."""
    return _kind(one) == _kind(other) and one.keys == other.keys and _set(one) == _set(other)


def is_prefix(short: Index, long: Index) -> bool:
    """Say whether ``long`` answers all that ``short`` does: B-trees are read from the left."""
    return (
        short.method == "btree"
        and _kind(short) == _kind(long)
        and len(short.keys) < len(long.keys)
        and long.keys[: len(short.keys)] == short.keys
        and _set(short) <= _set(long) | set(long.columns)
    )


def _kind(index: Index) -> tuple[str, ...]:
    return index.schema, index.table, index.method, index.predicate


def _set(index: Index) -> set[int]:
    return set(index.included)
