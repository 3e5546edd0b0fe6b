"""Indexes that might help the workload. Pure; whether they do is proved elsewhere."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from perfops.indexes.records import Candidate, Column, Existing, Fixed, Key, Need, Query, Table

Name = tuple[str, str]
MOST_KEYS = 4
# Columns beside the keys that a covering index may carry, and how wide they may be together.
_MOST_INCLUDED = 4
_WIDEST_INCLUDED = 64
# A column that is this often NULL (or true, false) is worth a partial index.
_RARE = 0.5


def propose(
    queries: Sequence[Query],
    tables: Mapping[Name, Table],
    *,
    most: int,
    min_rows: int,
    trigrams: str,
) -> list[Candidate]:
    """Return at most ``most`` candidates for each table, those of the costliest queries first.

    Tables under ``min_rows`` rows get none, nor what an index that is there does already.
    ``trigrams``: the operator class of GIN for trigrams as an index names it, empty for none.
    """
    weight: dict[Candidate, float] = defaultdict(float)
    for query in queries:
        for need in query.needs:
            table = tables[need.table]
            if table.rows >= min_rows:
                for candidate in of_need(need, table, trigrams=trigrams):
                    weight[candidate] += query.total_ms
    kept = []
    by_table: dict[Name, list[Candidate]] = defaultdict(list)
    for candidate in sorted(weight, key=lambda c: (-weight[c], str(c))):
        by_table[candidate.table].append(candidate)
    for name, found in by_table.items():
        new = [c for c in found if not is_there(c, tables[name].indexes)]
        shared = merged(new)[: most // 3]
        kept += list(dict.fromkeys((*new[: most - len(shared)], *shared)))
    return kept


def of_need(need: Need, table: Table, *, trigrams: str) -> list[Candidate]:
    """Return what may serve one need: equality, then range, then sort columns."""
    equal = _by_selectivity(need.equal, table)
    joins = _by_selectivity([Key(name) for name in need.joined], table)
    ranges = _by_selectivity([Key(name) for name in need.ranges], table)
    sorts = _forward(need.sorts)
    orders: list[tuple[Key, ...]] = [
        (*equal, *sorts),
        (*equal, *ranges[:1]),
        (*equal, *joins[:1], *sorts),
        (*equal, *joins[:1], *ranges[:1]),
        (*joins[:1], *equal, *ranges[:1]),
        equal[:1],
        *((key, *ranges[:1]) for key in equal[:1]),
    ]
    where = _worth_a_part(need.fixed, table)
    if where and not any(orders):
        # Nothing but the predicate itself: any narrow column will do.
        orders.append((_narrow(table),))
    plain = [Candidate(need.table, _distinct(keys)) for keys in orders if keys]
    found = [*plain, *(replace(each, where=where) for each in plain if where)]
    found += [_covering(each, need, table) for each in found]
    found += _inverted(need, table, trigrams=trigrams)
    usable = [
        each
        for each in found
        if all(_fits(key, each, table) for key in each.keys)
        and not any(table.columns[name].is_virtual for name in each.columns)
    ]
    return list(dict.fromkeys(usable))


def merged(found: Sequence[Candidate]) -> list[Candidate]:
    """Return candidates that serve two of ``found``: the smaller one's columns come first."""
    both = []
    for small in found:
        for large in found:
            alike = (small.table, small.method, small.where) == (
                large.table, large.method, large.where,
            )  # fmt: skip
            inside = set(small.keys) < set(large.keys)
            if alike and inside and large.keys[: len(small.keys)] != small.keys:
                rest = tuple(key for key in large.keys if key not in small.keys)
                both.append(replace(large, keys=(*small.keys, *rest)))
    return [each for each in dict.fromkeys(both) if each not in found]


def is_there(candidate: Candidate, indexes: Iterable[Existing]) -> bool:
    """Whether an index that is there begins with the same columns and carries as much."""
    if candidate.method != "btree" or any(key.function for key in candidate.keys):
        return False
    return any(
        not index.is_partial
        and index.begins_with(candidate.keys)
        and set(candidate.include) <= {*index.include, *(key.column for key in index.keys)}
        for index in indexes
    )


def with_values(candidate: Candidate, typical: Mapping[str, str], table: Table) -> Candidate | None:
    """Return ``candidate`` as a part of the table, where one rare value is always asked for.

    ``typical``: column to the value that its statement asks for.
    """
    fixed = tuple(
        Fixed(key.column, "value", typical[key.column])
        for key in candidate.keys
        if key.column in typical
        and not key.function
        and dict(table.columns[key.column].common).get(typical[key.column], 1.0) < _RARE
    )
    taken = {each.column for each in fixed}
    rest = tuple(key for key in candidate.keys if key.column not in taken)
    if not fixed or candidate.where or candidate.method != "btree":
        return None
    return replace(candidate, keys=_forward(rest or (_narrow(table),)), where=fixed)


def _by_selectivity(keys: Iterable[Key], table: Table) -> tuple[Key, ...]:
    return tuple(sorted(keys, key=lambda k: (-table.columns[k.column].distinct, k.column)))


def _forward(keys: Sequence[Key]) -> tuple[Key, ...]:
    """An index is read backwards as well: its first column may always ascend."""
    if not keys or not keys[0].descending:
        return tuple(keys)
    return tuple(key.backwards for key in keys)


def _distinct(keys: Iterable[Key]) -> tuple[Key, ...]:
    first: dict[tuple[str, str], Key] = {}
    for key in keys:
        first.setdefault((key.column, key.function), key)
    return tuple(first.values())[:MOST_KEYS]


def _worth_a_part(fixed: Iterable[Fixed], table: Table) -> tuple[Fixed, ...]:
    return tuple(each for each in fixed if _share(each, table.columns[each.column]) <= _RARE)


def _share(fixed: Fixed, column: Column) -> float:
    """Return the share of the rows for which the predicate holds, by the statistics."""
    if fixed.kind == "null":
        return column.null_share
    if fixed.kind == "not null":
        return 1 - column.null_share
    word = "t" if fixed.kind == "true" else "f"
    return dict(column.common).get(word, 0.0)


def _narrow(table: Table) -> Key:
    primary = next((i.keys for i in table.indexes if i.is_unique and len(i.keys) == 1), ())
    name = primary[0].column if primary and primary[0].column else next(iter(table.columns))
    return Key(name)


def _covering(candidate: Candidate, need: Need, table: Table) -> Candidate:
    names = {key.column for key in candidate.keys if not key.function}
    names |= {each.column for each in candidate.where}
    rest = sorted((need.used or frozenset()) - names)
    width = sum(table.columns[name].width for name in rest)
    if any(table.columns[name].is_virtual for name in rest):
        return candidate
    if not rest or len(rest) > _MOST_INCLUDED or width > _WIDEST_INCLUDED:
        return candidate
    return replace(candidate, include=tuple(rest))


def _inverted(need: Need, table: Table, *, trigrams: str) -> list[Candidate]:
    gin = [Candidate(need.table, (key,), method="gin") for key in need.contains]
    if trigrams:
        gin += [
            Candidate(need.table, (replace(key, opclass=trigrams),), method="gin")
            for key in need.patterns
        ]
    return gin


def _fits(key: Key, candidate: Candidate, table: Table) -> bool:
    """Whether the type of the column has an order (B-tree) or parts (GIN)."""
    column = table.columns[key.column]
    if candidate.method == "gin":
        return column.is_array or column.type == "jsonb" or bool(key.opclass and column.is_text)
    unordered = column.is_array or column.type in {"json", "jsonb", "xml", "point", "box"}
    return not unordered
