"""A plan as PostgreSQL tells it in JSON, read as a tree: where the time is, what was misjudged.

Pure. Times in ms; sizes in blocks.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_CONDITIONS = (
    "Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "Join Filter", "Filter", "TID Cond",
    "Sort Key", "Group Key", "One-Time Filter",
)  # fmt: skip
# What makes a plan another one; costs, rows and values don't.
_SHAPE = (
    "Node Type", "Relation Name", "Schema", "Index Name", "Join Type", "Strategy", "Partial Mode",
    "Scan Direction", "Parent Relationship", "Parallel Aware", "Operation",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Node:
    """One step. ``self_ms`` and the blocks are its own, without its children's.

    ``rows`` are of all loops together; actual figures are None unless the plan was analysed.
    """

    kind: str
    target: str
    conditions: tuple[tuple[str, str], ...]
    cost: float
    self_cost: float
    rows_planned: float
    rows: float | None
    loops: float | None
    removed: float
    ms: float | None
    self_ms: float | None
    blocks_hit: int
    blocks_read: int
    spilled_kb: int
    children: tuple["Node", ...]
    # Schema and name of the table that it reads or writes; empty for none.
    relation: str = ""

    @property
    def misjudged(self) -> float | None:
        """Return by which factor the planner's rows are wrong, always at least 1."""
        if self.rows is None or not self.loops:
            return None
        # Within one loop: the planner never expects less than one row.
        planned = max(self.rows_planned / self.loops, 1.0)
        rows = max(self.rows / self.loops, 1.0)
        return max(planned / rows, rows / planned)

    def walk(self, depth: int = 0) -> Iterator[tuple[int, "Node"]]:
        """Return depth and node, the root first, as a person reads a plan."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)


def read(plan: dict[str, Any]) -> Node:
    """Return the root of ``plan``: what EXPLAIN (FORMAT JSON) gives, or its "Plan"."""
    return _node(plan.get("Plan", plan), processes=1)


def fingerprint(plan: dict[str, Any]) -> str:
    """Return a hash of the plan's shape: equal for plans that do the same things."""
    shape = json.dumps(_shape(plan.get("Plan", plan)), sort_keys=True)
    return hashlib.sha256(shape.encode()).hexdigest()


def relations(plan: dict[str, Any]) -> set[tuple[str, str]]:
    """Return schema and name of every table that the plan reads or writes."""
    top = plan.get("Plan", plan)
    found = {r for child in top.get("Plans", ()) for r in relations(child)}
    if "Relation Name" in top:
        found.add((top.get("Schema", "public"), top["Relation Name"]))
    return found


def _shape(plan: dict[str, Any]) -> dict[str, Any]:
    shape = {name: plan[name] for name in _SHAPE if name in plan}
    return {**shape, "Plans": [_shape(child) for child in plan.get("Plans", ())]}


def _node(plan: dict[str, Any], *, processes: int) -> Node:
    # Below a Gather each process loops, at the same time: their times are not to be added.
    below = plan.get("Workers Launched", plan.get("Workers Planned", 0)) + 1
    beneath = below if plan["Node Type"].startswith("Gather") else processes
    children = tuple(_node(child, processes=beneath) for child in plan.get("Plans", ()))
    loops = plan.get("Actual Loops")
    ms = None if loops is None else plan.get("Actual Total Time", 0.0) * loops / processes
    return Node(
        kind=_kind(plan),
        target=_target(plan),
        conditions=tuple((name, _text(plan[name])) for name in _CONDITIONS if name in plan),
        cost=plan.get("Total Cost", 0.0),
        self_cost=_own(plan.get("Total Cost", 0.0), [child.cost for child in children]),
        rows_planned=plan.get("Plan Rows", 0) * max(loops or 1, 1),
        rows=None if loops is None else plan.get("Actual Rows", 0) * loops,
        loops=loops,
        removed=_removed(plan) * (loops or 1),
        ms=ms,
        self_ms=None if ms is None else _own(ms, [child.ms or 0.0 for child in children]),
        blocks_hit=_blocks(plan, "Hit"),
        blocks_read=_blocks(plan, "Read"),
        spilled_kb=plan.get("Sort Space Used", 0) if plan.get("Sort Space Type") == "Disk" else 0,
        children=children,
        relation=(
            f"{plan.get('Schema', 'public')}.{plan['Relation Name']}"
            if "Relation Name" in plan
            else ""
        ),
    )


def _kind(plan: dict[str, Any]) -> str:
    kind: str = plan["Node Type"]
    if plan.get("Join Type", "Inner") != "Inner":
        kind += f" ({plan['Join Type']})"
    if kind == "ModifyTable":
        return str(plan.get("Operation", kind))
    return f"Parallel {kind}" if plan.get("Parallel Aware") else kind


def _target(plan: dict[str, Any]) -> str:
    parts = []
    if "Index Name" in plan:
        parts.append(plan["Index Name"])
    if "Relation Name" in plan:
        parts.append(f"on {plan['Relation Name']}" if parts else plan["Relation Name"])
    elif "CTE Name" in plan or "Function Name" in plan:
        parts.append(plan.get("CTE Name") or plan["Function Name"])
    return " ".join(parts)


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _own(total: float, children: list[float]) -> float:
    """A LIMIT stops its children early: then theirs may be more than its own."""
    return max(0.0, total - sum(children))


def _removed(plan: dict[str, Any]) -> float:
    names = ("Rows Removed by Filter", "Rows Removed by Join Filter")
    return float(sum(plan.get(name, 0) for name in names))


def _blocks(plan: dict[str, Any], what: str) -> int:
    """PostgreSQL counts a child's blocks in its parent as well."""
    name = f"Shared {what} Blocks"
    below: int = sum(child.get(name, 0) for child in plan.get("Plans", ()))
    own: int = plan.get(name, 0) - below
    return max(0, own)


# So much of all the time, when it is long enough to be felt (ms); an estimate off by so much
# misleads the planner; so many rows read for each that is kept, and so many at least.
_HOT, _WARM, _FELT_MS, _WRONG, _WASTED, _MANY = 0.5, 0.2, 10.0, 10.0, 10.0, 1000.0
BAR_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Step:
    """``kind`` of colour: bad, warning or calm; ``bar``: 0 to ``BAR_WIDTH``.

    ``url``: of the recommendation that would replace it, else "".
    """

    title: str
    target: str
    share: str
    bar: float
    kind: str
    facts: tuple[tuple[str, str], ...]
    conditions: tuple[tuple[str, str], ...]
    warning: str
    children: tuple["Step", ...]
    url: str = ""


def draw(root: Node, recommended: Mapping[str, str] | None = None) -> Step:
    """Return ``root`` as steps. By time where the plan was analysed, else by planned cost.

    ``recommended``: tables ("schema.name") that an index is recommended on, with its URL. A step
    is coloured by what is wrong with it: the costliest step of a healthy plan is none.
    """
    nodes = [node for _, node in root.walk()]
    own = [node.self_cost if root.ms is None else node.self_ms or 0.0 for node in nodes]
    return _step(root, sum(own) or 1.0, recommended or {})


def _step(node: Node, total: float, recommended: Mapping[str, str]) -> Step:
    share = (node.self_cost if node.self_ms is None else node.self_ms) / total
    url = recommended.get(node.relation, "") if node.kind.endswith("Seq Scan") else ""
    wrong = [*_wrong(node)]
    if url:
        wrong.insert(0, "a sequential scan that the recommended index would replace")
    kind = "calm"
    if wrong or _takes(node, share, _WARM):
        kind = "warning"
    if url or _takes(node, share, _HOT):
        kind = "bad"
    if node.loops == 0:
        kind, wrong = "calm", ["never run"]
    return Step(
        title=node.kind,
        target=node.target,
        share=f"{share:.0%}",
        bar=round(share * BAR_WIDTH, 1),
        kind=kind,
        facts=tuple(_facts(node)),
        conditions=node.conditions,
        warning="; ".join(wrong),
        children=tuple(_step(child, total, recommended) for child in node.children),
        url=url,
    )


def _takes(node: Node, share: float, least: float) -> bool:
    """Say whether it takes so much of a time that is felt; planned costs are no time."""
    return node.self_ms is not None and share >= least and node.self_ms >= _FELT_MS


def _facts(node: Node) -> list[tuple[str, str]]:
    if node.ms is None:
        return [("cost", f"{node.self_cost:,.0f}"), ("rows planned", f"{node.rows_planned:,.0f}")]
    facts = [("by itself", f"{node.self_ms:,.2f} ms")]
    if node.children:
        facts.append(("with all below", f"{node.ms:,.2f} ms"))
    facts.append(("rows", f"{node.rows:,.0f} of {node.rows_planned:,.0f} planned"))
    if (node.loops or 0) > 1:
        facts.append(("loops", f"{node.loops:,.0f}"))
    if node.removed:
        facts.append(("rows thrown away", f"{node.removed:,.0f}"))
    if node.blocks_hit or node.blocks_read:
        facts.append(("blocks", f"{node.blocks_hit:,} in memory, {node.blocks_read:,} read"))
    if node.spilled_kb:
        facts.append(("sorted on disk", f"{node.spilled_kb:,} kB"))
    return facts


def _wrong(node: Node) -> Iterator[str]:
    wrong = node.misjudged
    if wrong is not None and wrong >= _WRONG:
        few = (node.rows or 0.0) > node.rows_planned
        yield f"the planner expected {wrong:,.0f} times too {'few' if few else 'many'} rows"
    if node.removed >= max(_MANY, _WASTED * (node.rows or 0.0)):
        yield f"{node.removed:,.0f} rows were read and thrown away"
    if node.spilled_kb:
        yield "sorted on disk: work_mem is too small for it"
