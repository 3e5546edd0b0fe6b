"""Real values for the parameters that pg_stat_statements has taken out of a statement.

Rows are sampled from the tables, so that columns that go together stay together, and rare
values from pg_stats. Of the sets so made those are kept for which the planner expects about
as many rows as the statement really returns per call; for drops also one of each way to plan it.
"""

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db import DatabaseError
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from perfops.database.connections import MARK
from perfops.indexes import planning as plans
from perfops.indexes.records import Clock, Column, Query, Slot, Table

Name = tuple[str, str]
Row = dict[str, Any]
_ROWS = 256
_SETS = 16
# How many sampled values lie within a range: from narrow to wide.
_STEPS = (1, 4, 16, 64)
_RARE_VALUES = 6
_KEPT = 3
# Expected rows that differ by a factor of e to this power are equally near.
_NEAR = 1.5
# Blocks that a sample reads at most, of a table however large.
_BLOCKS = 60
# A page as Django and we cut it: one row more than is shown.
_USUAL_LIMIT = 21
# How far back a statement may look.
_INTERVALS = ("1 day", "1 hour", "7 days", "30 days", "365 days")
_PATTERN = slice(1, 6)
# A statement that returns fewer rows per call mostly asks for what is not there.
_FEW = 0.5
_NOBODYS = {
    "integer": "-2147480001", "bigint": "-2147480001", "numeric": "-2147480001",
    "date": "0001-01-01", "timestamp": "0001-01-01", "text": "~ no such value ~",
    "uuid": "00000000-0000-0000-0000-00000000dead",
}  # fmt: skip


def sample(
    cursor: CursorWrapper,
    queries: Sequence[Query],
    tables: Mapping[Name, Table],
    clock: Clock,
    *,
    on: Collection[Name],
) -> list[Query]:
    """Return ``queries``, those of the tables ``on`` with sets of parameters.

    One gets none where a value can't be known, or the time is over.
    """
    rows: dict[Name, list[Row]] = {}
    found = []
    for query in queries:
        if clock.is_over or not query.may_read(*on):
            found.append(query)
            continue
        for name in sorted({slot.table for slot in query.slots.values()} & set(tables)):
            if name not in rows:
                rows[name] = _sample(cursor, tables[name], queries)
        fitting, by_plan = _planned(cursor, query, _sets(query, tables, rows))
        found.append(replace(query, sets=fitting, by_plan=by_plan))
    return found


def _sample(cursor: CursorWrapper, table: Table, queries: Sequence[Query]) -> list[Row]:
    """Return some rows, only the columns that a parameter stands for, as JSON has them."""
    slots = [slot for query in queries for slot in query.slots.values()]
    wanted = sorted({slot.column for slot in slots if slot.table == table.key})
    share = min(100.0, 100.0 * _BLOCKS * 8192 / max(table.bytes, 1))
    statement = sql.SQL(
        "{mark} SELECT row_to_json(s)::text FROM (SELECT {columns} FROM {table}"
        " TABLESAMPLE SYSTEM ({share}) REPEATABLE (7) ORDER BY md5(ctid::text) LIMIT {rows}) s"
    ).format(
        mark=sql.SQL(MARK),
        columns=sql.SQL(", ").join(map(sql.Identifier, wanted)),
        table=sql.Identifier(*table.key),
        share=sql.Literal(share),
        rows=sql.Literal(_ROWS),
    )
    try:
        cursor.execute(statement)
    except DatabaseError:
        return []
    # Numbers stay as they are written.
    return [json.loads(text, parse_float=str, parse_int=str) for (text,) in cursor.fetchall()]


def _sets(
    query: Query, tables: Mapping[Name, Table], rows: Mapping[Name, list[Row]]
) -> list[dict[int, str]]:
    numbers = {int(n) for n in plans.parameters_of(query.text)}
    if not numbers <= set(query.slots):
        return []
    common = [_set(query, rows, place) for place in range(_SETS)]
    rare = []
    for number in sorted(numbers):
        slot = query.slots[number]
        if slot.kind in {"value", "list"} and slot.table in tables and common[0] is not None:
            known = tables[slot.table].columns[slot.column].common
            for value, _ in dict.fromkeys((*known[:1], *known[-_RARE_VALUES:])):
                text = value if slot.kind == "value" else _array([value])
                rare.append({**common[0], number: text})
            if query.rows_per_call < _FEW and slot.kind == "value" and slot.table in tables:
                rare += _absent(common[0], number, tables[slot.table].columns[slot.column])
    whole = [each for each in (*common, *rare) if each is not None]
    return list({tuple(sorted(each.items())): each for each in whole}.values())


def _absent(common: dict[int, str], number: int, column: Column) -> list[dict[int, str]]:
    """Return ``common`` with a value that no row is likely to have; none where the type is odd."""
    kind = column.type.partition("(")[0].partition(" ")[0]
    value = _NOBODYS.get("text" if column.is_text else kind)
    return [] if value is None else [{**common, number: value}]


def _set(query: Query, rows: Mapping[Name, list[Row]], place: int) -> dict[int, str] | None:
    """Return one value for each parameter, of the sampled rows number ``place``."""
    found = {}
    seen: dict[tuple[Name, str], int] = {}
    for number, slot in sorted(query.slots.items()):
        # The members of one IN list, and the ends of a range, are of different rows.
        nth = seen.get((slot.table, slot.column), 0)
        seen[slot.table, slot.column] = nth + 1
        sampled = rows.get(slot.table, [])
        row = sampled[(place + nth) % len(sampled)] if sampled else {}
        value = _value(slot, row.get(slot.column), query, place)
        if value is None:
            return None
        found[number] = value
    return {**found, **_ranges(query, rows, place)}


def _ranges(query: Query, rows: Mapping[Name, list[Row]], place: int) -> dict[int, str]:
    """Return the ends of all ranges: each set's are of another width."""
    step = _STEPS[place % len(_STEPS)]
    found = {}
    starts: dict[tuple[Name, str], int] = {}
    ends = [(n, slot) for n, slot in query.slots.items() if slot.kind in {"low", "high"}]
    for number, slot in sorted(ends, key=lambda each: each[1].kind == "high"):
        values = sorted(
            {_text(row[slot.column]) for row in rows.get(slot.table, []) if row[slot.column]},
            key=_rank,
        )
        if not values:
            continue
        column = (slot.table, slot.column)
        is_closed = {"low", "high"} <= {s.kind for _, s in ends if (s.table, s.column) == column}
        if is_closed and slot.kind == "low":
            at = starts[column] = place * len(values) // _SETS
        elif is_closed:
            at = starts[column] + step
        else:
            at = len(values) - step if slot.kind == "low" else step - 1
        found[number] = values[max(0, min(at, len(values) - 1))]
    return found


def _rank(value: str) -> tuple[float, str]:
    try:
        return float(value), ""
    except ValueError:
        return 0.0, value


def _value(slot: Slot, value: Any, query: Query, place: int) -> str | None:
    if slot.kind == "limit":
        return str(limit(query.rows_per_call))
    if slot.kind == "interval":
        return _INTERVALS[place % len(_INTERVALS)]
    if slot.kind in {"offset", "constant"}:
        return "0" if slot.kind == "offset" else "1"
    if value is None:
        return None
    makers = {
        "pattern": _pattern, "array": _first, "element": _member, "document": _document,
        "json key": _name,
    }  # fmt: skip
    if slot.kind in makers:
        return makers[slot.kind](value, place)
    return _array([_text(value)]) if slot.kind == "list" else _text(value)


def limit(rows_per_call: float) -> int:
    """Return the LIMIT that a statement probably has: what it returns, if that is whole."""
    whole = round(rows_per_call)
    if whole >= 1 and math.isclose(rows_per_call, whole, rel_tol=0.01):
        return whole
    return max(_USUAL_LIMIT, math.ceil(2 * rows_per_call))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)


def _pattern(value: Any, _: int) -> str | None:
    text = str(value)[_PATTERN]
    return f"%{text.replace('%', '').replace('_', '')}%" if len(text) > 2 else None


def _first(value: Any, place: int) -> str | None:
    member = _member(value, place)
    return None if member is None else _array([member])


def _member(value: Any, place: int) -> str | None:
    return _text(value[place % len(value)]) if isinstance(value, list) and value else None


def _document(value: Any, place: int) -> str | None:
    if isinstance(value, list) and value:
        return json.dumps([value[place % len(value)]])
    name = _name(value, place)
    return None if name is None else json.dumps({name: value[name]})


def _name(value: Any, place: int) -> str | None:
    # Some names are in all documents, others in few: each row gives another one.
    return sorted(value)[place % len(value)] if isinstance(value, dict) and value else None


def _array(values: Sequence[str]) -> str:
    quoted = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in quoted) + "}"


def _planned(
    cursor: CursorWrapper, query: Query, sets: Sequence[dict[int, str]]
) -> tuple[tuple[dict[int, str], ...], tuple[dict[int, str], ...]]:
    """Return the sets whose expected rows are nearest to the real rows per call; and the nearest
    set of each set of indexes that plans use, none where all use the same.
    """
    distances: list[tuple[int, int]] = []
    indexes: dict[int, frozenset[str]] = {}
    for place, each in enumerate(sets):
        try:
            plan = plans.planned(cursor, plans.filled(query.text, each))
        except DatabaseError:
            continue
        away = 0.0 if query.is_aggregate else abs(math.log(max(plan.rows, 1) / _expected(query)))
        # Small differences are no reason: the planner's estimates are not that good.
        distances.append((int(away // _NEAR), place))
        indexes[place] = plan.indexes
    distances.sort()
    fitting = [place for away, place in distances[:_KEPT] if away <= distances[0][0]]
    first = {indexes[place]: place for _, place in reversed(distances)}
    by_plan = first.values() if len(first) > 1 else ()
    return tuple(sets[place] for place in fitting), tuple(sets[place] for place in by_plan)


def _expected(query: Query) -> float:
    return max(query.rows_per_call, 1.0)


def typical(query: Query, table: Table) -> dict[str, str]:
    """Return column to the one value that the statement can be told to ask for, if there is one.

    That is so only where nothing else is unknown, all fitting sets have it, and the planner
    tells it apart: no other common value would return about as many rows per call.
    """
    unknown = [(number, slot) for number, slot in query.slots.items() if slot.column]
    if len(unknown) != 1 or query.is_aggregate:
        return {}
    ((number, slot),) = unknown
    values = {each[number] for each in query.sets}
    if slot.kind != "value" or slot.table != table.key or len(values) != 1:
        return {}
    (value,) = values
    shares = dict(table.columns[slot.column].common)
    return {slot.column: value} if value in shares and _stands_alone(value, shares) else {}


def _stands_alone(value: str, shares: Mapping[str, float]) -> bool:
    others = [share for other, share in shares.items() if other != value]
    return bool(others) and min(others) > 5 * shares[value]
