"""A recommendation to make an index or to drop one, from its proposal to the decision on it."""

from dataclasses import dataclass, replace
from typing import Literal

from perfops.analysis.advisors.detection import DetectedIssue, IndexSubject
from perfops.analysis.collectors.records import UnavailableSource
from perfops.indexes.migration import Change
from perfops.indexes.records import Candidate, Effect, Existing, Proof, Query

Action = Literal["add", "drop"]
Status = Literal["proposed", "accepted", "rejected"]


@dataclass(frozen=True, slots=True)
class Balance:
    """What a new index saves and costs in the window, in ms of statement time.

    ``affected_ms``: what its statements take today. ``share``: of the time of all statements.
    """

    affected_ms: float
    saved_ms: float
    write_ms: float
    lost_hot_updates: int
    share: float
    replaces: tuple[Existing, ...] = ()

    @property
    def gain(self) -> float:
        """Return which share of the affected statements' time goes."""
        return self.saved_ms / self.affected_ms if self.affected_ms else 0.0


@dataclass(frozen=True, slots=True)
class Recommendation:
    """An index to make or to drop, with what proves it and what was decided.

    ``statements``: those it was judged by; ``unjudged``: how many could not be planned.
    ``effects``: what changes for which of them; of a drop, before is with the index. ``reason``
    says why it was rejected; ``lacks_proof``: because statements that use it could not be tried
    without it. ``kind`` and ``rows``: see ``Proof``. ``issue`` of a drop is the advisor's.
    """

    action: Action
    index: IndexSubject
    status: Status = "proposed"
    reason: str = ""
    statements: tuple[Query, ...] = ()
    unjudged: int = 0
    effects: tuple[Effect, ...] = ()
    kind: Literal["planned", "rehearsed"] = "planned"
    rows: int | None = None
    issue: DetectedIssue | None = None
    change: Change | None = None
    # Of an index to make.
    proof: Proof | None = None
    balance: Balance | None = None
    # Of an index to drop; ``twin``: another one that is the very same, and stays.
    lacks_proof: bool = False
    twin: str = ""
    # The indexes of its table that were advised to go before it: it was judged without them.
    gone_before: tuple[str, ...] = ()

    @property
    def table(self) -> tuple[str, str]:
        return (self.index.schema, self.index.table)

    @property
    def candidate(self) -> Candidate:
        """Return the index to make. Raises ``ValueError`` for one to drop."""
        if self.proof is None:
            raise ValueError(f"{self.index.name} is there already")
        return self.proof.candidate

    @property
    def unit(self) -> Literal["cost", "ms", ""]:
        """Return what before and after are in; empty where nothing changes for a statement."""
        if not self.effects:
            return ""
        return "cost" if self.kind == "planned" else "ms"

    @property
    def method(self) -> str:
        """Return in words how it was proved; empty where nothing changes for a statement."""
        return how(self.kind, self.rows) if self.effects else ""

    def rejected(self, reason: str, *, lacks_proof: bool = False) -> "Recommendation":
        return replace(self, status="rejected", reason=reason, lacks_proof=lacks_proof)

    def effects_as_data(self) -> list[dict[str, object]]:
        """Return each statement with before and after of its plan, the costliest first.

        Of a drop those too for which nothing changes: they are watched afterwards.
        """
        effects = {effect.queryid: effect for effect in self.effects}
        return [
            {
                "queryid": query.queryid,
                "text": query.text,
                "calls": query.calls,
                "mean_ms": query.mean_ms,
                "stddev_ms": query.stddev_ms,
                **_figures(effects.get(query.queryid)),
            }
            for query in sorted(self.statements, key=lambda q: -q.total_ms)
            if query.queryid in effects or self.action == "drop"
        ]


@dataclass(frozen=True, slots=True)
class Recommendations:
    """All that were decided on. ``missing``: what could not be looked at. ``notes``: in words."""

    decided: tuple[Recommendation, ...] = ()
    missing: tuple[UnavailableSource, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def accepted(self) -> tuple[Recommendation, ...]:
        return tuple(each for each in self.decided if each.status == "accepted")

    @property
    def rejected(self) -> tuple[Recommendation, ...]:
        return tuple(each for each in self.decided if each.status == "rejected")

    @property
    def rejected_issues(self) -> frozenset[str]:
        """Return the fingerprints of an advisor's drops that the workload speaks against."""
        return frozenset(each.issue.fingerprint for each in self.rejected if each.issue)


def how(kind: str, rows: int | None) -> str:
    """Return in words how something was proved: ``kind`` of a proof, ``rows`` of its copy."""
    return "planned with hypopg" if kind == "planned" else f"rehearsed on a copy of {rows:,} rows"


def _figures(effect: Effect | None) -> dict[str, float | None]:
    if effect is None:
        return {}
    return {
        "before": effect.before,
        "after": effect.after,
        "blocks_before": effect.blocks_before,
        "blocks_after": effect.blocks_after,
    }
