"""A plan as a tree to draw: what share of the time, or of the cost, each step has by itself."""

from dataclasses import dataclass

from perfops.analysis.plans.tree import Node

# A step with so much of all is where to look; an estimate off by so much misleads the planner.
_HOT, _WARM, _WRONG = 0.5, 0.2, 10.0
BAR_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Step:
    """``kind`` of colour: bad, warning or calm; ``bar``: 0 to ``BAR_WIDTH``."""

    title: str
    target: str
    share: str
    bar: float
    kind: str
    facts: tuple[tuple[str, str], ...]
    conditions: tuple[tuple[str, str], ...]
    warning: str
    children: tuple["Step", ...]


def draw(root: Node) -> Step:
    """Return ``root`` as steps. By time where the plan was analysed, else by planned cost."""
    nodes = [node for _, node in root.walk()]
    if root.ms is not None:
        return _step(root, sum(node.self_ms or 0.0 for node in nodes) or 1.0)
    return _step(root, sum(node.self_cost for node in nodes) or 1.0)


def _step(node: Node, total: float) -> Step:
    own = node.self_cost if node.self_ms is None else node.self_ms
    share = own / total
    kind = "bad" if share >= _HOT else "warning" if share >= _WARM else "calm"
    return Step(
        title=node.kind,
        target=node.target,
        share=f"{share:.0%}",
        bar=round(share * BAR_WIDTH, 1),
        kind=kind,
        facts=tuple(_facts(node)),
        conditions=node.conditions,
        warning=_warning(node),
        children=tuple(_step(child, total) for child in node.children),
    )


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


def _warning(node: Node) -> str:
    if node.loops == 0:
        return "never run"
    wrong = node.misjudged
    if wrong is None or wrong < _WRONG:
        return ""
    few = (node.rows or 0.0) > node.rows_planned
    return f"the planner expected {wrong:,.0f} times too {'few' if few else 'many'} rows"
