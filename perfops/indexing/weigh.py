"""Which proved candidates are worth their price, over the whole workload. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from perfops.conf import Conf
from perfops.indexing.records import Candidate, Effect, Existing, Fixed, Proof, Query, Table

Name = tuple[str, str]
# A candidate that saves nearly as much is taken if it is smaller.
_NEARLY = 0.9
# A GIN entry per member of an array, key of a document, or trigram of a text.
_GIN_ENTRIES = 10


@dataclass(frozen=True, slots=True)
class Period:
    """The window's total statement time, and its share of the time that writes were counted."""

    total_ms: float
    of_writes: float


@dataclass(frozen=True, slots=True)
class Offer:
    """An index that pays: what it saves and costs in the window."""

    proof: Proof
    effects: tuple[Effect, ...]
    affected_ms: float
    saved_ms: float
    write_ms: float
    lost_hot_updates: int
    share: float
    replaces: tuple[Existing, ...]

    @property
    def candidate(self) -> Candidate:
        return self.proof.candidate

    @property
    def gain(self) -> float:
        """Return which share of the affected statements' time goes."""
        return self.saved_ms / self.affected_ms if self.affected_ms else 0.0


@dataclass(frozen=True, slots=True)
class Refusal:
    candidate: Candidate
    reason: str


def choose(
    proofs: Sequence[Proof],
    queries: Sequence[Query],
    tables: Mapping[Name, Table],
    period: Period,
    limits: Conf,
) -> tuple[list[Offer], list[Refusal]]:
    """Return what pays, the best first, and why the others don't.

    Greedy, one index after the other: a second one on the same table must pay for what the
    first has left.
    """
    offers: list[Offer] = []
    refused: list[Refusal] = []
    for name in dict.fromkeys(proof.candidate.table for proof in proofs):
        kept: dict[str, float] = {}
        rest = [proof for proof in proofs if proof.candidate.table == name]
        while rest:
            weighed = [_weigh(proof, queries, tables[name], kept, period) for proof in rest]
            best = _best(weighed)
            reason = objection(best, queries, limits)
            if reason:
                if not kept:
                    refused.append(Refusal(best.candidate, reason))
                break
            offers.append(best)
            rest.remove(best.proof)
            for effect in best.effects:
                kept[effect.queryid] = min(kept.get(effect.queryid, 1.0), effect.kept)
    return sorted(offers, key=lambda offer: -offer.saved_ms), refused


def objection(offer: Offer, queries: Sequence[Query], limits: Conf) -> str:
    """Return why ``offer`` is not worth it, empty when it is."""
    affected = {effect.queryid for effect in offer.effects}
    calls = sum(query.calls for query in queries if query.queryid in affected)
    if not affected:
        return "the planner does not use it"
    if calls < limits.INDEX_MIN_CALLS:
        return f"its statements were called {calls} times only"
    if offer.gain < limits.INDEX_MIN_GAIN:
        return f"it saves {offer.gain:.0%} of its statements' time only"
    if offer.share < limits.INDEX_MIN_SHARE:
        return f"it saves {offer.share:.2%} of the database's time only"
    if offer.write_ms > limits.INDEX_MAX_WRITE_SHARE * offer.saved_ms:
        return "the table is written too much for what is read of it"
    return ""


def _best(weighed: Sequence[Offer]) -> Offer:
    net = {id(offer): offer.saved_ms - offer.write_ms for offer in weighed}
    most = max(net.values())
    near = [o for o in weighed if net[id(o)] >= (_NEARLY * most if most > 0 else most)]
    return min(near, key=lambda o: (o.proof.bytes, len(o.candidate.keys), str(o.candidate)))


def _weigh(
    proof: Proof, queries: Sequence[Query], table: Table, kept: Mapping[str, float], period: Period
) -> Offer:
    by_id = {query.queryid: query for query in queries}
    affected = []
    saved = affected_ms = 0.0
    for effect in proof.effects:
        stays = kept.get(effect.queryid, 1.0)
        gained = stays - effect.kept
        # What becomes slower is counted as well.
        if effect.is_used and (gained > 0 or effect.kept > 1):
            affected.append(effect)
            affected_ms += by_id[effect.queryid].total_ms * stays
            saved += by_id[effect.queryid].total_ms * gained
    lost_hot = _lost_hot_updates(proof.candidate, queries, table)
    return Offer(
        proof=proof,
        effects=tuple(affected),
        affected_ms=affected_ms,
        saved_ms=saved,
        write_ms=_write_ms(proof.candidate, table, lost_hot) * period.of_writes,
        lost_hot_updates=round(lost_hot * period.of_writes),
        share=saved / period.total_ms if period.total_ms else 0.0,
        replaces=redundant(proof.candidate, table.indexes),
    )


# Measured with benchmarks/index_advice.py: one entry of a B-tree in memory takes 1 to 4 us.
WRITE_MS = 0.004


def _write_ms(candidate: Candidate, table: Table, lost_hot: float) -> float:
    """Return what the writes counted so far would have cost: each new row version an entry."""
    writes = table.writes
    versions = writes.inserts + (writes.updates - writes.hot_updates) + lost_hot
    entries = _GIN_ENTRIES if candidate.method == "gin" else 1
    return versions * part(candidate.where, table) * entries * WRITE_MS


def _lost_hot_updates(candidate: Candidate, queries: Sequence[Query], table: Table) -> float:
    """Return how many updates would not be HOT any more, at most: they set an indexed column."""
    columns = {key.column for key in candidate.keys}
    columns |= {*candidate.include, *(each.column for each in candidate.where)}
    updates = [query for query in queries if query.written and table.key in query.tables]
    calls = sum(query.calls for query in updates)
    touching = sum(query.calls for query in updates if query.written & columns)
    return table.writes.hot_updates * touching / calls if calls else 0.0


def part(where: Sequence[Fixed], table: Table) -> float:
    """Return the share of the rows that a partial index holds, by the statistics."""
    share = 1.0
    for each in where:
        column = table.columns[each.column]
        common = dict(column.common)
        share *= {
            "null": column.null_share,
            "not null": 1 - column.null_share,
            "true": common.get("t", 0.0),
            "false": common.get("f", 0.0),
            "value": common.get(each.value, 0.0),
        }[each.kind]
    return share


def redundant(candidate: Candidate, indexes: Sequence[Existing]) -> tuple[Existing, ...]:
    """Return the indexes that ``candidate`` serves as well: its first columns, and no duty."""
    names = tuple(key.column for key in candidate.keys)
    plain = candidate.method == "btree" and not candidate.where
    plain = plain and not any(key.function for key in candidate.keys)
    return tuple(
        index
        for index in indexes
        if plain
        and index.method == "btree"
        and not index.is_unique
        and not index.is_partial
        and not index.include
        and index.keys == names[: len(index.keys)]
    )
