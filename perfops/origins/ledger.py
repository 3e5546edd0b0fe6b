"""The sum of all scopes since the last flush, and which statements this process knows.

All of it is bounded, and what found no room is counted: ``spilled``.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic

from perfops.conf import conf
from perfops.origins import parameters
from perfops.origins.counts import (
    NOWHERE,
    OTHER,
    CallKey,
    CallTotals,
    RunCounts,
    ScopeCounter,
    ScopeKey,
)

# A statement that was not sent for so long makes room for a new one (s).
_IDLE_S = 3600.0


@dataclass(slots=True)
class Known:
    """What this process knows of a statement. ``pending``: parameters to identify it with."""

    used: float
    occurrences: int = 0
    seen: set[str] = field(default_factory=set)
    pending: dict[str, object] = field(default_factory=dict)
    sample: object = None
    # Whether a flush has met it before its row, which it did once.
    is_early: bool = False
    queryid: str | None = None


_lock = Lock()
_rows: dict[CallKey, CallTotals] = {}
_scopes: dict[ScopeKey, CallTotals] = {}
_runs = RunCounts()
_known: OrderedDict[tuple[str, str], Known] = OrderedDict()
_spilled = 0


def admit(database: str, text: str, params: object, *, many: bool) -> bool:
    """Say whether a statement may be counted by itself; False when there is no room for it."""
    with _lock:
        known = _known.get((database, text))
        if known is None:
            if len(_known) >= conf().ORIGIN_TEMPLATES and not _make_room():
                return False
            known = _known[database, text] = Known(monotonic())
        known.occurrences += 1
        # At the first, second, fourth, ... occurrence: types of parameters seldom change.
        if not known.occurrences & (known.occurrences - 1):
            _look_at(known, text, params, many=many)
        return True


def is_new(database: str, text: str) -> bool:
    """Say whether a statement was admitted for the first time in this process."""
    with _lock:
        known = _known.get((database, text))
        return known is not None and known.occurrences == 1


def _make_room() -> bool:
    oldest, known = next(iter(_known.items()))
    if monotonic() - known.used < _IDLE_S:
        return False
    del _known[oldest]
    return True


def _look_at(known: Known, text: str, params: object, *, many: bool) -> None:
    one = parameters.first_of(params) if many else params
    kind = parameters.signature(one)
    if kind not in known.seen and len(known.seen) < parameters.MOST:
        known.seen.add(kind)
        known.pending[kind] = parameters.neutral(one)
    if conf().SAMPLE_PARAMETERS and not any(word in text.lower() for word in conf().SAMPLE_NEVER):
        known.sample = one


def add(
    kind: str, name: str, tallies: Iterable[ScopeCounter], *, ended: bool, run: int = 0
) -> None:
    """Add what is new in ``tallies``; with ``ended`` as one unit more.

    ``run``: the load run that caused it, 0 for none; it is counted there as well.
    """
    now, often = monotonic(), conf().N_PLUS_ONE_CALLS
    sums: dict[str, list[float]] = {}
    with _lock:
        for tally in tallies:
            calls, seconds, rows = tally.reported
            tally.reported = (tally.calls, tally.seconds, tally.rows)
            known = _known.get((tally.database, tally.text))
            if known is not None:
                known.used = now
                _known.move_to_end((tally.database, tally.text))
            is_repeated = ended and tally.rounds >= often
            if ended:
                its = sums.setdefault(tally.database, [0, 0.0, 0, 0])
                its[0] += tally.calls
                its[1] += tally.seconds
                its[2] += tally.rows
                its[3] += tally.rounds if is_repeated else 0
            key = CallKey(tally.database, tally.text, tally.site, kind, name)
            new = CallTotals(
                calls=tally.calls - calls,
                seconds=tally.seconds - seconds,
                rows=tally.rows - rows,
                executions=int(ended),
                most=tally.calls,
                repeated_executions=int(is_repeated),
                repeated_calls=tally.rounds if is_repeated else 0,
                relation=tally.relation,
                stack=tally.stack,
            )
            _count(key).merge(new)
            if run:
                _runs.statement(run, key, conf().ORIGIN_ROWS).merge(new)
        if run and ended:
            # Also one that asked nothing: it answered from a cache.
            whole = CallTotals(executions=1)
            for calls_sent, took, returned, _ in sums.values():
                whole.merge(CallTotals(calls=int(calls_sent), seconds=took, rows=int(returned)))
            _runs.requests(run, name, conf().ORIGIN_ROWS).merge(whole)
        for database, (sent, took, returned, repeated) in sums.items():
            _scope(ScopeKey(database, kind, name)).merge(
                CallTotals(
                    calls=int(sent), seconds=took, rows=int(returned), executions=1,
                    most=int(sent), repeated_executions=int(repeated > 0),
                    repeated_calls=int(repeated),
                )
            )  # fmt: skip


def _scope(key: ScopeKey) -> CallTotals:
    if key not in _scopes and len(_scopes) >= conf().ORIGIN_ROWS:
        key = ScopeKey(key.database, key.kind, OTHER)
    return _scopes.setdefault(key, CallTotals())


def _count(sent: CallKey) -> CallTotals:
    found = _rows.get(sent)
    if found is None:
        if len(_rows) >= conf().ORIGIN_ROWS and sent.text != OTHER:
            _spill()
            return _count(CallKey(sent.database, OTHER, NOWHERE, "process", OTHER))
        found = _rows[sent] = CallTotals()
    return found


def take() -> dict[CallKey, CallTotals]:
    """Return the rows, and begin with none."""
    global _rows
    with _lock:
        rows, _rows = _rows, {}
    return rows


def take_scopes() -> dict[ScopeKey, CallTotals]:
    """Return the sums of whole scopes that ended, and begin with none."""
    global _scopes
    with _lock:
        scopes, _scopes = _scopes, {}
    return scopes


def take_runs() -> RunCounts:
    """Return what load runs caused, and begin with none."""
    global _runs
    with _lock:
        runs, _runs = _runs, RunCounts()
    return runs


def give_back(
    rows: dict[CallKey, CallTotals],
    scopes: dict[ScopeKey, CallTotals] | None = None,
    runs: RunCounts | None = None,
) -> None:
    """Add rows again that could not be written."""
    with _lock:
        for sent, count in rows.items():
            _count(sent).merge(count)
        for key, total in (scopes or {}).items():
            _scope(key).merge(total)
        if runs is not None:
            _runs.add(runs, conf().ORIGIN_ROWS)


def waiting() -> dict[tuple[str, str], Known]:
    """Return the statements whose ids, or whose sample, are still to be stored."""
    with _lock:
        return {
            each: known
            for each, known in _known.items()
            if known.pending or known.sample is not None
        }


def spill() -> None:
    """Note that a tally was opened for a statement that found no room."""
    with _lock:
        _spill()


def _spill() -> None:
    global _spilled  # noqa: PLW0603
    _spilled += 1


def spilled() -> int:
    """Return how many (statement, place, scope) went into the bucket "other" in this process."""
    return _spilled


def queryid_of(template: str, database: str = "default") -> str | None:
    """Return the id of ``template`` in pg_stat_statements if this process knows it.

    A look-up in memory. Where a statement has several ids it is the newest.
    """
    known = _known.get((database, template))
    return known.queryid if known else None


def begin_anew() -> None:
    """In a child after a fork: nothing was counted yet; what is known of statements stays."""
    global _lock, _rows, _scopes, _runs, _spilled
    _lock, _rows, _scopes, _runs, _spilled = Lock(), {}, {}, RunCounts(), 0
