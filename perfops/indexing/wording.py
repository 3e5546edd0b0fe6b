"""Index advice as findings: what a person reads."""

from dataclasses import replace

from perfops.advisors.advice import Advice, SeverityName
from perfops.indexing import ddl
from perfops.indexing.declaration import name_of
from perfops.indexing.drops import Drop
from perfops.indexing.migration import Change
from perfops.indexing.records import Query
from perfops.indexing.weigh import Offer

ID = "missing_index"
# An index that saves this share of all statement time can't wait.
_WARNING_SHARE = 0.05


def missing(offer: Offer, queries: dict[str, Query], change: Change | None, excuse: str) -> Advice:
    """Return the finding; ``excuse`` says why there is no migration where there is none."""
    candidate, proof = offer.candidate, offer.proof
    severity: SeverityName = "warning" if offer.share >= _WARNING_SHARE else "info"
    calls = sum(queries[effect.queryid].calls for effect in offer.effects)
    evidence: dict[str, float | int | str] = {
        "proof": how(offer),
        "statements": len(offer.effects),
        "calls": calls,
        "their time saved": f"{offer.gain:.0%}",
        "of the database's time": f"{offer.share:.1%}",
        "size in MB": round(proof.bytes / 1024**2, 1),
        "upkeep": f"{offer.write_ms / max(offer.saved_ms, 1e-9):.1%} of what it saves",
    }
    if proof.build_ms is not None:
        evidence["build time in s"] = round(proof.build_ms / 1000, 2)
    if offer.lost_hot_updates:
        evidence["updates that lose HOT, at most"] = offer.lost_hot_updates
    if offer.replaces:
        evidence["makes redundant"] = ", ".join(index.name for index in offer.replaces)
    statement = f"{ddl.create(candidate, name=name_of(candidate), concurrently=True)};"
    return Advice(
        advisor=ID,
        object=str(candidate)[:300],
        queryids=tuple(effect.queryid for effect in offer.effects),
        severity=severity,
        title=f"An index on {candidate} would save {offer.share:.0%} of the database's time",
        evidence=evidence,
        why=(
            f"{len(offer.effects)} of the costliest statements read more of {candidate.qualified} "
            f"than they return; with it they take {offer.gain:.0%} less."
        ),
        remedy=in_django(change, excuse),
        statement=change.sql if change is not None else statement,
    )


def how(offer: Offer) -> str:
    """Return in words how the offer was proved."""
    if offer.proof.kind == "planned":
        return "planned with hypopg"
    return f"rehearsed on a copy of {offer.proof.rows or 0:,} rows"


def in_django(change: Change | None, excuse: str) -> str:
    if change is None:
        return f"Run the statement; there is no migration for it, as {excuse}."
    return (
        f"Put it into {change.app_label}.{change.model}.Meta.indexes: {change.meta} "
        f"with the migration {change.name} (`manage.py advise_indexes --write-migrations`, or "
        "download it from the finding's page)."
    )


def droppable(drop: Drop, change: Change | None, excuse: str) -> Advice:
    """Return the advisor's finding with the proof, and the migration in its remedy."""
    remedy = drop.advice.remedy
    if change is not None:
        remedy = (
            "Make sure no replica and no rare job needs it. Take it out of "
            f"{change.app_label}.{change.model}.Meta.indexes, with the migration {change.name}."
        )
    elif excuse:
        remedy = f"{remedy} No migration is written, as {excuse}."
    proof = f"none of {len(drop.judged)} planned statements of {drop.table[1]} uses it"
    if drop.unjudged:
        proof += f" ({drop.unjudged} could not be planned)"
    return replace(drop.advice, evidence={**drop.advice.evidence, "proof": proof}, remedy=remedy)
