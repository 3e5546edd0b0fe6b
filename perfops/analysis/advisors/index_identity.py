"""Which index serves which foreign key, and which index serves what another one does."""

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from perfops.analysis.collectors.records import ForeignKey, Index
from perfops.formatting import identifier


def serves(index: Index, key: ForeignKey) -> bool:
    """Say whether the rows that refer to a given one are found by ``index``."""
    if not index.is_valid or (index.schema, index.table) != (key.schema, key.table):
        return False
    if set(index.columns[: len(key.columns)]) != set(key.columns):
        return False
    # NULL refers to nothing: an index without them serves the key as well.
    return not index.is_partial or _columns_not_null(index.predicate) <= set(key.names)


def _columns_not_null(predicate: str) -> set[str]:
    """Return the columns that ``predicate`` wants to be not NULL; of any other one, a name that
    no column has.
    """
    try:
        tree = parse_one(predicate, dialect="postgres")
    except (SqlglotError, RecursionError):
        return {""}
    terms = tree.unnest().flatten() if isinstance(tree.unnest(), exp.And) else [tree]
    return {_column_not_null(term.unnest()) for term in terms}


def _column_not_null(term: exp.Expr) -> str:
    inner = term.this.unnest() if isinstance(term, exp.Not) else term
    if not isinstance(inner, exp.Is) or not isinstance(inner.expression, exp.Null):
        return ""
    # IS NOT NULL is one node, NOT ... IS NULL two.
    is_not = isinstance(term, exp.Not) != bool(inner.args.get("negate"))
    return inner.this.unnest().name if is_not else ""


def drop_statement(index: Index) -> str:
    """Return the statement that drops ``index``: of a partitioned table not CONCURRENTLY."""
    how = "" if index.is_partitioned else "CONCURRENTLY "
    return f"DROP INDEX {how}{identifier(index.schema, index.name)};"


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
