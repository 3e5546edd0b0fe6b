"""What a statement asks of its tables, read out of its syntax tree. Pure.

Names are resolved here and not by ``sqlglot.optimizer.qualify``: that rewrites the tree, and took
2.8 to 5.2 ms of CPU for a join with two subqueries, of which everything below takes 1.0 ms.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from sqlglot import exp

from perfops.indexes.records import Fixed, Key, Need, Slot, SlotKind, Table, nulls_of

# A name as a statement writes it (schema may be empty) to the table that it means.
Resolve = Callable[[str, str], Table | None]

_WRAPPING = (exp.Paren, exp.Cast)
_RANGES = (exp.GT, exp.GTE, exp.LT, exp.LTE)
_CONTAINS = (exp.ArrayContainsAll, exp.ArrayContainedBy, exp.ArrayOverlaps)
_HAS_KEY = (exp.JSONBContainsTopKey, exp.JSONBContainsAnyTopKeys, exp.JSONBContainsAllTopKeys)
_FUNCTIONS: dict[type[exp.Expr], str] = {exp.Upper: "upper", exp.Lower: "lower"}


def needs(tree: exp.Expr, resolve: Resolve) -> list[Need]:
    """Return what every SELECT within ``tree`` asks of each of its tables."""
    return [
        need for select in tree.find_all(exp.Select) for need in _Scope(select, resolve).needs()
    ]


def slots(tree: exp.Expr, resolve: Resolve) -> dict[int, Slot]:
    """Return what may stand for each parameter; the ones that nobody can know are left out."""
    found: dict[int, Slot] = {}
    for parameter in tree.find_all(exp.Parameter):
        slot = _slot(parameter, resolve)
        if slot is not None:
            found[int(parameter.name)] = slot
    return found


class _Scope:
    """One SELECT: its own tables, and the conditions that all of its rows meet."""

    def __init__(self, select: exp.Select, resolve: Resolve) -> None:
        self.select = select
        self.sources: dict[str, Table] = {}
        others = 0
        joins = select.args.get("joins") or []
        for source in (select.args.get("from_"), *joins):
            node = source.this if source is not None else None
            table = resolve(node.db, node.name) if isinstance(node, exp.Table) else None
            if table is not None and isinstance(node, exp.Table):
                self.sources[node.alias_or_name] = table
            elif node is not None:
                others += 1
        self.is_alone = len(self.sources) == 1 and not others

    def needs(self) -> Iterator[Need]:
        conditions = list(self._conditions())
        for alias, table in self.sources.items():
            yield self._need(alias, table, conditions)

    def _conditions(self) -> Iterator[exp.Expr]:
        where = self.select.args.get("where")
        joins = self.select.args.get("joins") or []
        roots = [where.this if where else None, *(join.args.get("on") for join in joins)]
        for root in roots:
            if root is not None:
                yield from _conjuncts(root)

    def column(self, node: exp.Expr | None) -> tuple[str, str] | None:
        """Return (alias, column) of a column of this very SELECT."""
        if not isinstance(node, exp.Column) or isinstance(node.this, exp.Star):
            return None
        if node.table:
            known = self.sources.get(node.table)
            found = node.table if known is not None and node.name in known.columns else None
        else:
            having = [a for a, t in self.sources.items() if node.name in t.columns]
            found = having[0] if len(having) == 1 else None
        return (found, node.name) if found is not None else None

    def key(self, node: exp.Expr) -> tuple[str, Key] | None:
        """Return (alias, key) of a column, bare or within a function that an index may hold."""
        node = _unwrapped(node)
        function = _FUNCTIONS.get(type(node), "")
        inner = _unwrapped(node.this) if function else node
        found = self.column(inner)
        if found is None or not self._cast_is_harmless(node, found):
            return None
        return found[0], Key(found[1], function=function)

    def _cast_is_harmless(self, node: exp.Expr, found: tuple[str, str]) -> bool:
        """``name::text`` is the column itself only where it is text already."""
        column = self.sources[found[0]].columns[found[1]]
        leaf = next(c for c in node.find_all(exp.Column) if c.name == found[1])
        return column.is_text or not isinstance(leaf.parent, exp.Cast)

    def _need(self, alias: str, table: Table, conditions: list[exp.Expr]) -> Need:
        equal: list[Key] = []
        joined: list[str] = []
        ranges: list[str] = []
        contains: list[Key] = []
        patterns: list[Key] = []
        fixed: list[Fixed] = []
        for condition in conditions:
            other, key = self._sides(condition, alias)
            if (simple := self._fixed(condition, alias)) is not None:
                fixed.append(simple)
            elif key is None:
                continue
            elif isinstance(condition, exp.EQ | exp.In):
                is_join = other is not None and self._reads_own(other)
                if is_join and not key.function:
                    joined.append(key.column)
                elif not is_join:
                    equal.append(key)
            elif isinstance(condition, (*_RANGES, exp.Between)) and not key.function:
                ranges.append(key.column)
            elif isinstance(condition, (*_CONTAINS, *_HAS_KEY)):
                contains.append(_gin_key(key, condition, table))
            elif isinstance(condition, exp.Like | exp.ILike):
                patterns.append(key)
        return Need(
            table=table.key,
            equal=_unique(equal),
            joined=_unique(joined),
            ranges=_unique(ranges),
            sorts=self._sorts(alias),
            contains=_unique(contains),
            patterns=_unique(patterns),
            fixed=_unique(fixed),
            used=self._used(alias),
        )

    def _sides(self, condition: exp.Expr, alias: str) -> tuple[exp.Expr | None, Key | None]:
        """Return the other side of a comparison and the key of ours; no key: not of ``alias``."""
        if not isinstance(condition, exp.Binary | exp.In | exp.Between | exp.Like | exp.ILike):
            return None, None
        left = condition.this
        right = condition.args.get("expression")
        for ours, other in ((left, right), (right, left)):
            found = self.key(ours) if ours is not None else None
            if found is not None and found[0] == alias:
                return other, found[1]
        return None, None

    def _reads_own(self, node: exp.Expr) -> bool:
        return any(self.column(column) is not None for column in node.find_all(exp.Column))

    def _fixed(self, condition: exp.Expr, alias: str) -> Fixed | None:
        negated = isinstance(condition, exp.Not)
        inner = _unwrapped(condition.this) if negated else condition
        is_null = isinstance(inner, exp.Is) and isinstance(inner.expression, exp.Null)
        found = self.column(_unwrapped(inner.this) if is_null else inner)
        if found is None or found[0] != alias:
            return None
        if is_null:
            # IS NOT NULL is one node, NOT ... IS NULL two.
            negated = negated != bool(inner.args.get("negate"))
            return Fixed(found[1], "not null" if negated else "null")
        return Fixed(found[1], "false" if negated else "true")

    def _sorts(self, alias: str) -> tuple[Key, ...]:
        """Return the order if one index of this table could give it, else nothing."""
        order = self.select.args.get("order")
        keys = []
        for each in order.expressions if order is not None else ():
            found = self.key(each.this)
            if found is None or found[0] != alias:
                return ()
            descending = bool(each.args.get("desc"))
            nulls = nulls_of(descending=descending, first=bool(each.args.get("nulls_first")))
            keys.append(replace(found[1], descending=descending, nulls=nulls))
        return _unique(keys) or self._extreme(alias)

    def _extreme(self, alias: str) -> tuple[Key, ...]:
        """``max(column)`` is the first row of an order."""
        if self.select.args.get("group") is not None or len(self.select.expressions) != 1:
            return ()
        node = self.select.expressions[0].find(exp.Max, exp.Min)
        found = self.key(node.this) if node is not None else None
        return (found[1],) if found is not None and found[0] == alias else ()

    def _used(self, alias: str) -> frozenset[str] | None:
        names = set()
        for column in self.select.find_all(exp.Column):
            if isinstance(column.this, exp.Star) and column.table in {"", alias}:
                return None
            found = self.column(column)
            if found is not None and found[0] == alias:
                names.add(found[1])
        if any(isinstance(each, exp.Star) for each in self.select.expressions):
            return None
        return frozenset(names)


def _conjuncts(node: exp.Expr) -> Iterator[exp.Expr]:
    node = node.unnest()
    if isinstance(node, exp.And):
        yield from _conjuncts(node.this)
        yield from _conjuncts(node.expression)
    else:
        yield node


def _unwrapped(node: exp.Expr) -> exp.Expr:
    while isinstance(node, _WRAPPING):
        node = node.this
    return node


def _gin_key(key: Key, condition: exp.Expr, table: Table) -> Key:
    document = table.columns[key.column].type == "jsonb"
    whole = document and isinstance(condition, exp.ArrayContainsAll)
    return Key(key.column, opclass="jsonb_path_ops" if whole else "")


def _unique[T](found: list[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(found))


def _slot(parameter: exp.Parameter, resolve: Resolve) -> Slot | None:
    node: exp.Expr = parameter
    holders: set[type] = set()
    while isinstance(node.parent, (*_WRAPPING, exp.Upper, exp.Lower, exp.Any, exp.Array)):
        node = node.parent
        holders.add(type(node))
    parent = node.parent
    if isinstance(parent, exp.Limit):
        return Slot("limit")
    if isinstance(parent, exp.Offset):
        return Slot("offset")
    if isinstance(parent, exp.Select | exp.Alias):
        return Slot("constant")
    if isinstance(node, exp.Cast) and node.is_type("interval"):
        return Slot("interval")
    select = parameter.find_ancestor(exp.Select)
    if parent is None or select is None:
        return None
    column = _compared(parent, node)
    found = _owner(column, select, resolve) if column is not None else None
    if found is None:
        return None
    table, name = found
    return Slot(_kind(parent, node, table.columns[name].type, holders), table.key, name)


def _compared(parent: exp.Expr, node: exp.Expr) -> exp.Column | None:
    """Return the column that the parameter within ``node`` is compared with."""
    kinds = (
        exp.EQ, exp.NEQ, *_RANGES, exp.In, exp.Between, *_CONTAINS, *_HAS_KEY, exp.Like, exp.ILike,
    )  # fmt: skip
    if not isinstance(parent, kinds):
        return None
    for side in (parent.this, parent.args.get("expression")):
        if side is None or side is node:
            continue
        inner = _unwrapped(side)
        inner = _unwrapped(inner.this) if type(inner) in _FUNCTIONS else inner
        if isinstance(inner, exp.Column):
            return inner
    return None


def _owner(column: exp.Column, select: exp.Select, resolve: Resolve) -> tuple[Table, str] | None:
    """Return the table that ``column`` belongs to: of this SELECT, or of one around it."""
    scope: exp.Select | None = select
    while scope is not None:
        inner = _Scope(scope, resolve)
        found = inner.column(column)
        if found is not None:
            return inner.sources[found[0]], found[1]
        scope = scope.find_ancestor(exp.Select)
    return None


def _kind(parent: exp.Expr, node: exp.Expr, column_type: str, holders: set[type]) -> SlotKind:
    if isinstance(parent, exp.Like | exp.ILike):
        return "pattern"
    if isinstance(parent, _HAS_KEY):
        return "json key"
    if isinstance(parent, _CONTAINS):
        if exp.Array in holders:
            return "element"
        return "document" if column_type == "jsonb" else "array"
    if isinstance(parent, exp.Between):
        return "low" if node is parent.args.get("low") else "high"
    if isinstance(parent, _RANGES):
        is_lower = isinstance(parent, exp.GT | exp.GTE) == (node is parent.expression)
        return "low" if is_lower else "high"
    return "list" if exp.Any in holders and exp.Array not in holders else "value"
