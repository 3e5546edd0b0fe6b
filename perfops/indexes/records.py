"""What passes between the steps of index advice. Times in ms, sizes in bytes."""

import time
from dataclasses import dataclass, field, replace
from typing import Literal

from perfops.database.index_sql import Partition

Method = Literal["btree", "gin"]
Nulls = Literal["", "first", "last"]


def nulls_of(*, descending: bool, first: bool) -> Nulls:
    """Return where NULLs stand, empty where they stand there by themselves in that direction."""
    if first == descending:
        return ""
    return "first" if first else "last"


Fix = Literal["null", "not null", "true", "false", "value"]
SlotKind = Literal[
    "value", "low", "high", "list", "pattern", "array", "element", "document", "json key",
    "interval", "limit", "offset", "constant",
]  # fmt: skip


# What an index may make of the blocks that a statement touches.
_MORE_BLOCKS = 2.0
# Two indexes are alike to a statement that touches and costs as much with both, but for this share:
# then what its times differ by is chance.
_ALIKE = 0.05
# Smaller differences (ms) are chance: EXPLAIN ANALYZE of the same plan differs by as much.
CHANCE_MS = 0.05


@dataclass(frozen=True, slots=True)
class Key:
    """One key of an index. ``function``: "upper" or "lower" around its column.

    ``opclass``, ``collation`` and ``nulls`` are empty where they are the usual ones of the column
    and the direction. A key of an index that is there may be another expression: then it has no
    column, and ``function`` is its text.
    """

    column: str
    descending: bool = False
    function: str = ""
    opclass: str = ""
    nulls: Nulls = ""
    collation: str = ""

    def __str__(self) -> str:
        text = f"{self.function}({self.column})" if self.function else self.column
        text = f"{text} DESC" if self.descending else text
        return f"{text} NULLS {self.nulls.upper()}" if self.nulls else text

    @property
    def backwards(self) -> "Key":
        """Return the key that has the opposite order."""
        other: dict[Nulls, Nulls] = {"first": "last", "last": "first", "": ""}
        return replace(self, descending=not self.descending, nulls=other[self.nulls])


@dataclass(frozen=True, slots=True)
class Fixed:
    """A predicate that holds in every call, and so may be that of a partial index."""

    column: str
    kind: Fix
    value: str = ""

    def __str__(self) -> str:
        return {
            "null": f"{self.column} IS NULL",
            "not null": f"{self.column} IS NOT NULL",
            "true": self.column,
            "false": f"NOT {self.column}",
            "value": f"{self.column} = '{self.value}'",
        }[self.kind]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An index that might help. ``table`` as (schema, name)."""

    table: tuple[str, str]
    keys: tuple[Key, ...]
    method: Method = "btree"
    include: tuple[str, ...] = ()
    where: tuple[Fixed, ...] = ()

    @property
    def qualified(self) -> str:
        return ".".join(self.table)

    @property
    def columns(self) -> frozenset[str]:
        """Return all columns that it needs, those of its predicate as well."""
        keys = (key.column for key in self.keys)
        return frozenset((*keys, *self.include, *(each.column for each in self.where)))

    def __str__(self) -> str:
        text = f"{self.qualified} ({', '.join(map(str, self.keys))})"
        if self.method != "btree":
            text = text.replace(" (", f" {self.method} (", 1)
        if self.include:
            text += f" INCLUDE ({', '.join(self.include)})"
        if self.where:
            text += f" WHERE {' AND '.join(map(str, self.where))}"
        return text


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the catalog and ANALYZE know it. ``distinct``: estimated number of values."""

    name: str
    type: str
    is_array: bool
    not_null: bool
    width: int
    null_share: float
    distinct: float
    # Value to share of all rows, most common first.
    common: tuple[tuple[str, float], ...] = ()
    # Generated when it is read: it can be in no index.
    is_virtual: bool = False

    @property
    def is_text(self) -> bool:
        return self.type == "text" or self.type.startswith(("character", "citext"))


@dataclass(frozen=True, slots=True)
class Existing:
    """A valid index that is there. ``include``: columns beside the keys."""

    name: str
    method: str
    keys: tuple[Key, ...]
    include: tuple[str, ...]
    definition: str
    is_unique: bool
    is_partial: bool

    def begins_with(self, keys: tuple[Key, ...]) -> bool:
        """Say whether it answers what a B-tree of ``keys`` does: read forwards or backwards."""
        head = self.keys[: len(keys)]
        return self.method == "btree" and head in (keys, tuple(key.backwards for key in keys))


@dataclass(frozen=True, slots=True)
class Writes:
    """Rows written since the statistics began."""

    inserts: int
    updates: int
    hot_updates: int
    deletes: int


@dataclass(frozen=True, slots=True)
class Table:
    """A table, partitioned or not, or a materialised view.

    ``rows`` is the planner's estimate, ``bytes`` the heap's size; with those of its partitions.
    """

    schema: str
    name: str
    rows: int
    bytes: int
    columns: dict[str, Column]
    indexes: tuple[Existing, ...]
    writes: Writes
    # Whether its bare name finds it: only then can it be a model's.
    is_visible: bool = True
    # Share of its pages that an index may answer for alone.
    all_visible: float = 1.0
    is_partitioned: bool = False
    # The partitioned tables above it and the partitions below it, as (schema, name).
    family: frozenset[tuple[str, str]] = frozenset()
    # All below it, those nearest to it first.
    partitions: tuple[Partition, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        return (self.schema, self.name)


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a parameter of a statement stands: what values it may take."""

    kind: SlotKind
    table: tuple[str, str] = ("", "")
    column: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    """What one SELECT asks of one table. ``used``: every column it reads, None for all."""

    table: tuple[str, str]
    equal: tuple[Key, ...] = ()
    joined: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()
    sorts: tuple[Key, ...] = ()
    contains: tuple[Key, ...] = ()
    patterns: tuple[Key, ...] = ()
    fixed: tuple[Fixed, ...] = ()
    used: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """A statement of the workload, as far as it reads.

    ``text`` has ``$1`` for parameters; ``slots`` says what stands there. ``sets``: parameters
    that fit it, as number to text. A statement that can't be understood has no sets. ``by_plan``:
    common, rare and typical values, one set for each set of indexes that plans of them use; empty
    where all use the same.
    ``relations``: its tables, and the partitions and partitioned tables that it may read too.
    """

    queryid: str
    text: str
    calls: int
    total_ms: float
    rows_per_call: float
    needs: tuple[Need, ...]
    slots: dict[int, Slot]
    tables: frozenset[tuple[str, str]]
    written: frozenset[str] = frozenset()
    is_aggregate: bool = False
    sets: tuple[dict[int, str], ...] = ()
    by_plan: tuple[dict[int, str], ...] = ()
    relations: frozenset[tuple[str, str]] = frozenset()
    stddev_ms: float = 0.0

    def may_read(self, *tables: tuple[str, str]) -> bool:
        """Say whether it reads one of ``tables``, itself or through a view or a partition."""
        return not (self.tables | self.relations).isdisjoint(tables)

    @property
    def mean_ms(self) -> float:
        return self.total_ms / self.calls if self.calls else 0.0


def are_alike(one: float | None, two: float | None) -> bool:
    """Say whether both were taken, and differ by so little that times between them are chance."""
    return one is not None and two is not None and abs(one - two) <= _ALIKE * max(one, two)


@dataclass(frozen=True, slots=True)
class Effect:
    """What an index does to one statement: mean over its parameters, in the proof's unit.

    ``planned_after``: where it was really run, what the planner expects it to cost with the index.
    """

    queryid: str
    before: float
    after: float
    is_used: bool
    blocks_before: float | None = None
    blocks_after: float | None = None
    planned_after: float | None = None

    def is_like(self, other: "Effect") -> bool:
        """Say whether both leave as much to do, by the blocks touched and by the planner's word.

        Both figures are the same at each run, however busy the machine is. False where they
        were not taken.
        """
        return all(are_alike(mine, theirs) for mine, theirs in self._left(other))

    def leaves_no_more_than(self, other: "Effect") -> bool:
        """Say whether it leaves less to do than ``other``, or as much, by both of these figures.

        False where they were not taken.
        """
        return all(
            mine is not None and theirs is not None and mine <= theirs
            for mine, theirs in self._left(other)
        )

    def _left(self, other: "Effect") -> tuple[tuple[float | None, float | None], ...]:
        """Return what both leave to do: blocks, and the planner's cost."""
        return (
            (self.blocks_after, other.blocks_after),
            (self.planned_after, other.planned_after),
        )

    @property
    def kept(self) -> float:
        """Return which share of its cost stays; 1 where the planner leaves the index alone.

        What touches many more blocks is faster only while they are all in memory: no gain.
        """
        if not self.is_used or self.before <= 0:
            return 1.0
        kept = self.after / self.before
        if self.blocks_before is None or self.blocks_after is None:
            return kept
        return max(kept, 1.0) if self.blocks_after > _MORE_BLOCKS * self.blocks_before else kept

    def is_slower(self, share: float, *, of_rows: float = 1.0) -> bool:
        """Say whether it takes more than ``share`` longer after, or touches many more blocks.

        ``of_rows``: the share of the table's rows that it ran on. What is little time on a few
        of them may be much on all.
        """
        most = self.before * (1 + share)
        if self.blocks_before is None or self.blocks_after is None:
            return self.after > most
        many = _MORE_BLOCKS * max(self.blocks_before, 1.0)
        return self.after > most + CHANCE_MS * of_rows or self.blocks_after > many


@dataclass(frozen=True, slots=True)
class Without:
    """A statement without an index: ``before`` is with it; ``indexes`` are what it uses then."""

    effect: Effect
    indexes: frozenset[str]
    is_slower: bool


@dataclass(frozen=True, slots=True)
class WriteCosts:
    """What an index costs writes, in ms; None where it was not measured.

    ``insert_ms``: each new version of a row; ``update_ms``: each update that was HOT without the
    index and sets the columns ``updated``, with the entries that all other indexes then need too.
    """

    insert_ms: float | None = None
    update_ms: float | None = None
    updated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """How a candidate did. ``unit`` is "cost" (planned) or "ms" (really run)."""

    candidate: Candidate
    kind: Literal["planned", "rehearsed"]
    unit: Literal["cost", "ms"]
    bytes: int
    build_ms: float | None
    effects: tuple[Effect, ...] = field(default=())
    # Rows of the rehearsed copy, None where the real table was planned over.
    rows: int | None = None
    costs: WriteCosts = WriteCosts()
    # As the server writes it, see ``index_sql.without_names``.
    definition: str = ""


@dataclass(frozen=True, slots=True)
class Clock:
    """Over when ``seconds`` have passed since it was made."""

    seconds: float
    began: float = field(default_factory=time.monotonic)

    @property
    def is_over(self) -> bool:
        return self.left_s <= 0

    @property
    def left_s(self) -> float:
        return self.seconds - (time.monotonic() - self.began)
