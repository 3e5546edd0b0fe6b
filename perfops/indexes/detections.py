"""Index recommendations as issues: what a person reads."""

from dataclasses import replace

from perfops.analysis.advisors.detection import DetectedIssue, SeverityName
from perfops.formatting import megabytes, share_text
from perfops.indexes import ddl
from perfops.indexes.declaration import name_of
from perfops.indexes.migration import Change
from perfops.indexes.recommendation import Recommendation, how
from perfops.indexes.records import Table, WriteCosts
from perfops.indexes.weighing import WRITE_MS

ID = "missing_index"
# An index that saves this share of all statement time can't wait.
_WARNING_SHARE = 0.05


def missing(
    recommendation: Recommendation, table: Table, change: Change | None, excuse: str
) -> DetectedIssue:
    """Return the finding; ``excuse`` says why there is no migration where there is none."""
    proof, balance = recommendation.proof, recommendation.balance
    if proof is None or balance is None:
        raise ValueError(f"{recommendation.index.name} is not an index to make")
    candidate, effects = proof.candidate, recommendation.effects
    severity: SeverityName = "warning" if balance.share >= _WARNING_SHARE else "info"
    calls = sum(query.calls for query in recommendation.statements)
    saved = share_text(balance.share)
    evidence: dict[str, float | int | str] = {
        "proof": recommendation.method,
        "statements": len(effects),
        "calls": calls,
        "their time saved": f"{balance.gain:.0%}",
        "of the database's time": saved,
        "size in MB": megabytes(proof.bytes),
        "upkeep": f"{balance.write_ms / max(balance.saved_ms, 1e-9):.1%} of what it saves",
    }
    evidence["write cost"] = _write_cost(proof.costs)
    if proof.build_ms is not None:
        evidence["build time in s"] = round(proof.build_ms / 1000, 2)
    if balance.lost_hot_updates:
        evidence["updates that lose HOT, at most"] = balance.lost_hot_updates
    if balance.replaces:
        evidence["makes redundant"] = ", ".join(index.name for index in balance.replaces)
    if table.is_partitioned:
        statement = ddl.on_partitions(candidate, table.partitions, name_of)
    else:
        statement = f"{ddl.create(candidate, name=name_of(candidate), concurrently=True)};"
    return DetectedIssue(
        advisor=ID,
        object=str(candidate)[:300],
        queryids=tuple(effect.queryid for effect in effects),
        severity=severity,
        title=f"An index on {candidate} would save {saved} of the database's time",
        index=recommendation.index,
        evidence=evidence,
        why=(
            f"{len(effects)} of the costliest statements read more of {candidate.qualified} "
            f"than they return; with it they take {balance.gain:.0%} less."
        ),
        remedy=in_django(change, excuse),
        statement=change.sql if change is not None else statement,
    )


def _write_cost(costs: WriteCosts) -> str:
    inserted, updated = (
        None if ms is None else f"{ms * 1000:.1f} us" for ms in (costs.insert_ms, costs.update_ms)
    )
    assumed = f"{WRITE_MS * 1000:.0f} us for each entry, assumed: it was not measured"
    if inserted is None and updated is None:
        return assumed
    parts = [
        f"{inserted} for each row written, measured on the copy"
        if inserted is not None
        else f"for rows written {assumed}",
        f"{updated} for each update of {' and '.join(costs.updated)}, HOT without it where a page"
        " has room"
        if updated is not None
        else "updates of its columns are taken to cost as much: they were not measured",
    ]
    return "; ".join(parts)


def in_django(change: Change | None, excuse: str) -> str:
    if change is None:
        return f"Run the SQL, each statement by itself; there is no migration for it, as {excuse}."
    return (
        f"Put it into {change.app_label}.{change.model}.Meta.indexes: {change.meta} "
        f"with the migration {change.name} (`manage.py advise_indexes --write-migrations` writes "
        "it and shows the model's edit with file and line, as the finding's page does)."
    )


def droppable(drop: Recommendation, change: Change | None, excuse: str) -> DetectedIssue:
    """Return the advisor's finding with the proof, and the migration in its remedy."""
    if drop.issue is None:
        raise ValueError(f"no advisor found that {drop.index.name} may go")
    remedy = drop.issue.remedy
    if change is not None:
        remedy = (
            "Make sure no replica and no rare job needs it. Take it out of "
            f"{change.app_label}.{change.model}.Meta.indexes, with the migration {change.name} "
            "(`manage.py advise_indexes --write-migrations` shows the edit with file and line)."
        )
    elif excuse:
        remedy = f"{remedy} No migration is written, as {excuse}."
    evidence = {**drop.issue.evidence, "proof": _harmless(drop)}
    if drop.effects:
        calls = {query.queryid: query.calls for query in drop.statements}
        for label, figure in (("with it", "before"), ("without it", "after")):
            whole = sum(calls[each.queryid] * getattr(each, figure) for each in drop.effects)
            mean = whole / max(1, sum(calls[each.queryid] for each in drop.effects))
            evidence[f"{drop.unit} per call {label}"] = round(mean, 3)
    return replace(drop.issue, evidence=evidence, remedy=remedy)


def _harmless(drop: Recommendation) -> str:
    """Return in words why no statement needs the index."""
    if drop.twin:
        return f"{drop.twin} is the same index, and stays"
    table, count = drop.index.table, len(drop.statements)
    # Each is judged as if those before it had gone.
    others = " and ".join(drop.gone_before)
    before = f" (or would without {others})" if others else ""
    proof = f"none of {count} planned statements of {table} uses it{before}"
    if not count:
        proof = f"no statement that reads {table} was seen, and no scan: only time can tell"
    if drop.effects:
        proof = (
            f"{len(drop.effects)} of {count} statements of {table} use it{before} and do as well "
            f"without {'all of these' if others else 'it'}: {how(drop.kind, drop.rows)}"
        )
    return f"{proof} ({drop.unjudged} could not be planned)" if drop.unjudged else proof
