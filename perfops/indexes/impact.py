"""What an index did once it was there: time per call of its statements, before and after. Pure."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.records import Index, Statement
from perfops.database.index_sql import without_names
from perfops.formatting import count_text, identifier, ms_text
from perfops.indexes.records import CHANCE_MS, Query

Verdict = Literal["fixed", "no effect", "worse"]
# At least this share of the promised gain, and it counts as kept.
_KEPT_PROMISE = 0.5
# Slower by this share is worse.
_WORSE = 0.1
# So many standard errors.
_NOISE = 2.0
_MIXED_CALLS = "calls since shortly before it"


@dataclass(frozen=True, slots=True)
class Before:
    """A statement as it was when the index was recommended: ms per call."""

    queryid: str
    mean_ms: float
    calls: int = 0
    stddev_ms: float = 0.0

    @property
    def squared_error(self) -> float:
        """Return the square of the standard error of its mean, in ms."""
        return self.stddev_ms**2 / self.calls if self.calls else 0.0


@dataclass(frozen=True, slots=True)
class Impact:
    """``before_ms`` and ``after_ms``: mean per call, weighted by the calls of the window.

    ``is_mixed``: some of the calls came before the change, so that the mean of those after it lies
    even further from ``before_ms`` than ``after_ms``. ``noise_ms``: two standard errors of the
    difference, 0 where they are small.
    """

    verdict: Verdict
    before_ms: float
    after_ms: float
    calls: int
    scans: int
    is_mixed: bool = False
    noise_ms: float = 0.0

    def __str__(self) -> str:
        """Return the times and what they rest on."""
        times = f"{ms_text(self.before_ms)} -> {self._bound}{ms_text(self.after_ms)} per call"
        calls = count_text(self.calls, "call")
        rests = f"{calls} since{' shortly before it' if self.is_mixed else ''}"
        noise = f", give or take {ms_text(self.noise_ms)}" if self.noise_ms else ""
        return f"{times} ({rests}{noise})"

    def evidence(self) -> list[tuple[str, float | int | str]]:
        after = f"ms per call after{self._bound and f', {self._bound.strip()}'}"
        calls = _MIXED_CALLS if self.is_mixed else "calls since"
        return [
            ("ms per call before", round(self.before_ms, 3)),
            (after, round(self.after_ms, 3)),
            (calls, self.calls),
            ("scans of the index since", self.scans),
            *([("noise, ms per call", round(self.noise_ms, 3))] if self.noise_ms else []),
        ]

    @property
    def _bound(self) -> str:
        if not self.is_mixed:
            return ""
        return "at least " if self.after_ms > self.before_ms else "at most "


def identity(table: tuple[str, str], definition: str, *, is_unique: bool = False) -> str:
    """Return what an index of ``table`` is, whatever its name: table, uniqueness, and the
    ``definition`` without names. Empty where that is not known.
    """
    unique = "UNIQUE " if is_unique else ""
    return f"{unique}{identifier(*table)} {definition}" if definition else ""


def identity_of(index: Index) -> str:
    """Return the ``identity`` of an index that is there."""
    definition = without_names(index.definition)
    return identity((index.schema, index.table), definition, is_unique=index.is_unique)


def index_in(
    indexes: Sequence[Index], *, schema: str, name: str, identity: str = ""
) -> Index | None:
    """Return the index that is what ``identity`` says, the most scanned one of several; None where
    it is not there. Where the identity of one of both is not known it is the one of that name.
    """

    def is_it(index: Index) -> bool:
        own = identity_of(index)
        return own == identity if own and identity else (index.schema, index.name) == (schema, name)

    return max(filter(is_it, indexes), key=lambda index: index.scans, default=None)


def judge(
    befores: Sequence[Before],
    window: Window,
    *,
    index: Index | None,
    promised: float,
    min_calls: int,
    is_mixed: bool = False,
    is_left_alone: bool = False,
) -> Impact | None:
    """Return what the window, all of it after the change, says; None when it says too little.

    ``is_mixed``: the window begins before the change. With a share p of its calls after it, they
    gain g / p where all calls gain g: at least g. So a mixed window shows a gain or a loss that is
    large enough, at least g of its calls being after the change. That nothing changed it shows of
    an index that ``is_left_alone``, no plan having it, and until more is known of a drop.

    ``promised``: share of the statements' time that the advice would save, 0 for a drop. An
    index that no scan has used can't be what made them quicker. A difference under two standard
    errors of the means is noise; where noise is larger than half of the promise nothing is said.
    """
    now = {statement.queryid: statement for statement in window.statements}
    pairs = [(each, now[each.queryid]) for each in befores if each.queryid in now]
    calls = sum(after.calls for _, after in pairs)
    if not calls or calls < min_calls:
        return None
    before_ms = sum(each.mean_ms * after.calls for each, after in pairs) / calls
    after_ms = sum(after.total_ms for _, after in pairs) / calls
    scans = index.scans if index is not None else 0
    gain = 1 - after_ms / before_ms if before_ms else 0.0
    noise = _NOISE * _standard_error(pairs, calls) / before_ms if before_ms else 0.0
    is_left_alone = is_left_alone and not scans
    # A proof takes no smaller difference for one either.
    is_slower = gain <= -_WORSE and after_ms - before_ms > CHANCE_MS
    # Of a drop, which is proved by plans, it is enough that the mean is no slower: how much that
    # tells is said with it. Noise of the calls before stays as large for ever.
    is_noise = noise > max(_WORSE, _KEPT_PROMISE * promised) and abs(gain) < noise
    if is_noise and (promised or is_slower) and not is_left_alone:
        return None
    # A drop promises nothing: that nothing became slower is all it is for.
    verdict: Verdict = "no effect" if promised else "fixed"
    if is_slower and gain <= -noise:
        verdict = "worse"
    elif promised and scans and gain >= _KEPT_PROMISE * promised:
        verdict = "fixed"
        if is_mixed and (gain - noise < _KEPT_PROMISE * promised or gain * calls < min_calls):
            return None
    elif promised and is_mixed and not is_left_alone:
        return None
    noise_ms = noise * before_ms if noise > _WORSE else 0.0
    return Impact(verdict, before_ms, after_ms, calls, scans, is_mixed, noise_ms)


def is_provisional(measured: Collection[Sequence[object]]) -> bool:
    """Say whether the evidence that was kept is of a window that began before the change."""
    return any(label == _MIXED_CALLS for label, _ in measured)


def _standard_error(pairs: Sequence[tuple[Before, Statement]], calls: int) -> float:
    """Return that of the difference of the two means, in ms: statements are independent."""
    squares = 0.0
    for before, after in pairs:
        weight = after.calls / calls
        own = after.stddev_ms**2 / after.calls if after.calls else 0.0
        squares += weight**2 * (before.squared_error + own)
    return math.sqrt(squares)


def means(effects: Sequence[Mapping[str, object]]) -> list[Before]:
    """Return the statements of stored effects as they were."""

    def number(each: Mapping[str, object], name: str) -> float:
        return float(str(each.get(name) or 0))

    return [
        Before(
            str(each["queryid"]),
            number(each, "mean_ms"),
            int(number(each, "calls")),
            number(each, "stddev_ms"),
        )
        for each in effects
    ]


def changed_tables(before: Sequence[Index], after: Sequence[Index]) -> frozenset[tuple[str, str]]:
    """Return the tables that have other indexes after than before, as (schema, name)."""
    old = {(index.schema, index.table, index.name, index.oid) for index in before}
    new = {(index.schema, index.table, index.name, index.oid) for index in after}
    return frozenset((schema, table) for schema, table, *_ in old ^ new)


def at_present(
    queries: Iterable[Query],
    changed: Collection[tuple[str, str]],
    statements: Mapping[str, Statement],
    *,
    times: float,
) -> tuple[list[Query], list[Query]]:
    """Return the queries as they are today, and those of which that is not known yet.

    ``changed``: tables with other indexes than at the window's beginning; ``statements``: by
    their IDs, since that change; ``times``: how much longer the window is.
    """
    known, unknown = [], []
    for query in queries:
        now = statements.get(query.queryid)
        if not query.may_read(*changed):
            known.append(query)
        elif now is None or not now.calls:
            unknown.append(query)
        else:
            calls, total_ms = max(1, round(now.calls * times)), now.total_ms * times
            known.append(replace(query, calls=calls, total_ms=total_ms, stddev_ms=now.stddev_ms))
    return known, unknown
