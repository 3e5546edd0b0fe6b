"""Which proved candidates are worth their price, over the whole workload. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from perfops.analysis.advisors.detection import IndexSubject
from perfops.conf import Conf
from perfops.indexes.declaration import name_of
from perfops.indexes.recommendation import Balance, Recommendation, Status
from perfops.indexes.records import Candidate, Effect, Existing, Fixed, Proof, Query, Table

Name = tuple[str, str]
# A candidate that saves nearly as much is taken if it is simpler.
_NEARLY = 0.9
# A smaller change of a statement's time is noise.
_NOTED = 0.05
# A GIN entry per member of an array, key of a document, or trigram of a text.
_GIN_ENTRIES = 10


@dataclass(frozen=True, slots=True)
class Period:
    """The window's total statement time, and its share of the time that writes were counted."""

    total_ms: float
    of_writes: float


WRITTEN_TOO_MUCH = "the table is written too much for what is read of it"


def choose(
    proofs: Sequence[Proof],
    queries: Sequence[Query],
    tables: Mapping[Name, Table],
    period: Period,
    limits: Conf,
) -> list[Recommendation]:
    """Return what pays as accepted, the best first, and then the rest with why it does not.

    Greedy, one index after the other: a second one on the same table must pay for what the
    first has left.
    """
    accepted: list[tuple[float, Recommendation]] = []
    rejected: dict[Name, Recommendation] = {}
    kept = _Kept()
    rest = pooled(proofs)
    while rest:
        weighed = [_weigh(p, queries, tables[p.candidate.table], kept, period) for p in rest]
        best = _best(weighed)
        rest.remove(best.proof)
        reason = reason_against(best, queries, limits)
        if reason:
            rejected.setdefault(best.proof.candidate.table, best.decided("rejected", reason))
            continue
        accepted.append((-best.balance.saved_ms, best.decided("accepted")))
        kept.take(best.proof)
    served = {each.candidate.table for _, each in accepted}
    left = [each for table, each in rejected.items() if table not in served]
    return [each for _, each in sorted(accepted, key=lambda pair: pair[0])] + left


@dataclass(frozen=True, slots=True)
class _Weighed:
    """A proof with what it saves and costs beside those taken before it."""

    proof: Proof
    effects: tuple[Effect, ...]
    balance: Balance
    statements: tuple[Query, ...]

    def decided(self, status: Status, reason: str = "") -> Recommendation:
        candidate = self.proof.candidate
        return Recommendation(
            "add",
            IndexSubject(*candidate.table, name_of(candidate), str(candidate)),
            status=status,
            reason=reason,
            statements=self.statements,
            effects=self.effects,
            kind=self.proof.kind,
            rows=self.proof.rows,
            proof=self.proof,
            balance=self.balance,
        )


class _Kept:
    """What the indexes taken so far leave of each statement's time.

    Of two on one table a statement uses the better; on two tables what they save adds up.
    """

    def __init__(self) -> None:
        self._best: dict[tuple[str, Name], float] = {}

    def take(self, proof: Proof) -> None:
        for effect in proof.effects:
            key = (effect.queryid, proof.candidate.table)
            self._best[key] = min(self._best.get(key, 1.0), effect.kept)

    def gained(self, effect: Effect, table: Name) -> float:
        """Return the share of the statement's time that ``effect`` saves beside the others."""
        left = 1.0 - sum(1 - kept for (id_, _), kept in self._best.items() if id_ == effect.queryid)
        here = self._best.get((effect.queryid, table), 1.0)
        return min(
            max(0.0, here - effect.kept) if effect.kept <= 1 else 1 - effect.kept, max(0.0, left)
        )


def reason_against(weighed: _Weighed, queries: Sequence[Query], limits: Conf) -> str:
    """Return why it is not worth it, empty when it is."""
    affected = {effect.queryid for effect in weighed.effects}
    calls = sum(query.calls for query in queries if query.queryid in affected)
    if not affected:
        return "the planner does not use it"
    if calls < limits.INDEX_MIN_CALLS:
        return f"its statements were called {calls} times only"
    balance = weighed.balance
    if balance.gain < limits.INDEX_MIN_GAIN:
        return f"it saves {balance.gain:.0%} of its statements' time only"
    if balance.share < limits.INDEX_MIN_SHARE:
        return f"it saves {balance.share:.2%} of the database's time only"
    if balance.write_ms > limits.INDEX_MAX_WRITE_SHARE * balance.saved_ms:
        return WRITTEN_TOO_MUCH
    return ""


def _best(weighed: Sequence[_Weighed]) -> _Weighed:
    """Return the one that saves most, or the simplest of its table that does nearly."""
    net = {id(each): each.balance.saved_ms - each.balance.write_ms for each in weighed}
    top = max(weighed, key=lambda each: net[id(each)])
    most = net[id(top)]
    near = [
        each
        for each in weighed
        if each.proof.candidate.table == top.proof.candidate.table
        and net[id(each)] >= (_NEARLY * most if most > 0 else most)
    ]
    return min(near, key=lambda each: _size(each.proof))


def _size(proof: Proof) -> tuple[int, int, int, str]:
    """Return what to order proofs by for the simplest: fewest columns, none beside the keys."""
    candidate = proof.candidate
    included = len(candidate.include)
    return len(candidate.keys) + included, included, proof.bytes, str(candidate)


def pooled(proofs: Sequence[Proof]) -> list[Proof]:
    """Return the proofs with the mean of all times that were measured for the same work.

    A statement that does as much with one index of a table as with another takes as long, and one
    that does less takes no longer: measured apart, a busy machine makes one of them look better by
    a third, or the worse one look better.
    """
    measured: dict[tuple[str, Name], list[Effect]] = defaultdict(list)
    for proof in proofs:
        for effect in proof.effects:
            if effect.is_used:
                measured[effect.queryid, proof.candidate.table].append(effect)

    def mean(effect: Effect, table: Name) -> Effect:
        alike = [each for each in measured[effect.queryid, table] if effect.is_like(each)]
        if not (effect.is_used and alike):
            return effect
        return replace(
            effect,
            before=fmean(each.before for each in alike),
            after=fmean(each.after for each in alike),
        )

    def bounded(effect: Effect, table: Name) -> Effect:
        worse = [e for e in measured[effect.queryid, table] if effect.leaves_no_more_than(e)]
        effect = mean(effect, table)
        if not (effect.is_used and worse):
            return effect
        share = min(each.after / each.before for each in (mean(e, table) for e in worse))
        return replace(effect, after=min(effect.after, effect.before * share))

    return [
        replace(proof, effects=tuple(bounded(e, proof.candidate.table) for e in proof.effects))
        for proof in proofs
    ]


def _weigh(
    proof: Proof, queries: Sequence[Query], table: Table, kept: _Kept, period: Period
) -> _Weighed:
    by_id = {query.queryid: query for query in queries}
    affected = []
    saved = affected_ms = 0.0
    for effect in proof.effects:
        gained = kept.gained(effect, table.key)
        # What becomes slower is counted as well.
        if effect.is_used and abs(gained) >= _NOTED:
            affected.append(effect)
            affected_ms += by_id[effect.queryid].total_ms
            saved += by_id[effect.queryid].total_ms * gained
    lost_hot = _lost_hot_updates(proof.candidate, queries, table)
    balance = Balance(
        affected_ms=affected_ms,
        saved_ms=saved,
        write_ms=_write_ms(proof, table, lost_hot) * period.of_writes,
        lost_hot_updates=round(lost_hot * period.of_writes),
        share=saved / period.total_ms if period.total_ms else 0.0,
        replaces=redundant(proof.candidate, table.indexes),
    )
    statements = tuple(by_id[effect.queryid] for effect in affected)
    return _Weighed(proof, tuple(affected), balance, statements)


# Where no rehearsal measured it. By benchmarks/index_advice.py an entry of a B-tree in memory takes
# 5 to 8 us, one of GIN's 8 to 13 us.
WRITE_MS = 0.006


def _write_ms(proof: Proof, table: Table, lost_hot: float) -> float:
    """Return what the writes counted so far would have cost: each new row version an entry.

    An update that is not HOT any more costs the entries of the other indexes too. By what was
    measured in the rehearsal; else by the constant.
    """
    writes, candidate = table.writes, proof.candidate
    entries = _GIN_ENTRIES if candidate.method == "gin" else 1
    each = proof.costs.insert_ms
    if each is None:
        each = part(candidate.where, table) * entries * WRITE_MS
    lost = proof.costs.update_ms if proof.costs.update_ms is not None else each
    versions = writes.inserts + (writes.updates - writes.hot_updates)
    return versions * each + lost_hot * lost


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
        and index.begins_with(candidate.keys[: len(index.keys)])
    )
