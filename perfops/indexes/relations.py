"""Which tables a statement reads, and what it asks of those it does not name: by its plan.

A view, an inlined function and a partitioned table stand for others; the plan names those, and
has the conditions on each.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from psycopg import sql
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

Name = tuple[str, str]
Node = dict[str, Any]
_CONDITIONS = ("Filter", "Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "Join Filter")
_SORTS = {"Sort", "Incremental Sort"}


def nodes(plan: Node) -> Iterator[Node]:
    """Return all nodes of a plan, the top one first."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def read(plan: Node) -> frozenset[Name]:
    """Return the tables that a plan (VERBOSE) reads, as (schema, name); of partitions, each."""
    return frozenset((node["Schema"], node["Relation Name"]) for node in _scans(plan))


def as_select(plan: Node, wholes: Mapping[Name, Name]) -> exp.Expression | None:
    """Return a SELECT that asks of each table what the plan's nodes ask of it; None for none.

    ``wholes``: partition to the partitioned table that it stands for here. A condition on
    what is no table, such as a subquery, is left out.
    """
    sources = []
    for node in _scans(plan):
        name = node["Schema"], node["Relation Name"]
        table, alias = sql.Identifier(*wholes.get(name, name)), sql.Identifier(node["Alias"])
        sources.append(sql.SQL("{} AS {}").format(table, alias).as_string(None))
    if not sources:
        return None
    conditions = dict.fromkeys(
        node[kind] for node in nodes(plan) for kind in _CONDITIONS if kind in node
    )
    where = [each for each in conditions if _parsed(f"SELECT 1 WHERE {each}") is not None]
    text = f"SELECT * FROM {', '.join(dict.fromkeys(sources))}"
    if where:
        text += f" WHERE {' AND '.join(where)}"
    order = _order(plan)
    ordered = _parsed(f"{text} ORDER BY {', '.join(order)}") if order else None
    return ordered or _parsed(text)


def _scans(plan: Node) -> Iterator[Node]:
    return (node for node in nodes(plan) if "Relation Name" in node and "Schema" in node)


def _order(plan: Node) -> list[str]:
    """Return the keys of a sort of one table's rows: an index might give them in order."""
    for node in nodes(plan):
        child: Node = next(iter(node.get("Plans", ())), {})
        if node.get("Node Type") in _SORTS and "Relation Name" in child:
            return list(node.get("Sort Key", ()))
    return []


def _parsed(text: str) -> exp.Expression | None:
    try:
        tree = parse_one(text, dialect="postgres")
    except (SqlglotError, RecursionError):
        return None
    return tree if isinstance(tree, exp.Select) else None
