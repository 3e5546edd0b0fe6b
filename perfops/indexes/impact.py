"""What an index did once it was there: time per call of its statements, before and after. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.records import Index

Verdict = Literal["fixed", "no effect", "worse"]
# At least this share of the promised gain, and it counts as kept.
_KEPT_PROMISE = 0.5
# Slower by this share is worse.
_WORSE = 0.1


@dataclass(frozen=True, slots=True)
class Before:
    """A statement as it was when the index was recommended: ms per call."""

    queryid: str
    mean_ms: float


@dataclass(frozen=True, slots=True)
class Impact:
    """``before_ms`` and ``after_ms``: mean per call, weighted by the calls of the window."""

    verdict: Verdict
    before_ms: float
    after_ms: float
    calls: int
    scans: int

    def evidence(self) -> list[tuple[str, float | int | str]]:
        return [
            ("ms per call before", round(self.before_ms, 3)),
            ("ms per call after", round(self.after_ms, 3)),
            ("calls since", self.calls),
            ("scans of the index since", self.scans),
        ]


def index_in(indexes: Sequence[Index], *, schema: str, name: str) -> Index | None:
    """Return the index of that name, None where it is not there."""
    return next((i for i in indexes if (i.schema, i.name) == (schema, name)), None)


def judge(
    befores: Sequence[Before],
    window: Window,
    *,
    index: Index | None,
    promised: float,
    min_calls: int,
) -> Impact | None:
    """Return what the window, all of it after the change, says; None when it says too little.

    ``promised``: share of the statements' time that the advice would save, 0 for a drop. An
    index that no scan has used can't be what made them quicker.
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
    # A drop promises nothing: that nothing became slower is all it is for.
    verdict: Verdict = "no effect" if promised else "fixed"
    if gain <= -_WORSE:
        verdict = "worse"
    elif promised and scans and gain >= _KEPT_PROMISE * promised:
        verdict = "fixed"
    return Impact(verdict, before_ms, after_ms, calls, scans)


def means(effects: Sequence[Mapping[str, object]]) -> list[Before]:
    """Return the statements of stored effects as they were."""
    return [Before(str(each["queryid"]), float(str(each["mean_ms"]))) for each in effects]
