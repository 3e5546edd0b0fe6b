"""What proves recommendations for an analysis: registered by the packages above this one.

An advisor reads a window of statistics alone. A recommender may also ask the database, so it
costs time; ``perfops.indexes`` registers the one for indexes when the app is ready.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.collectors.difference import Window
from perfops.analysis.coverage import Coverage
from perfops.models.analyses import Analysis, Finding


@dataclass(frozen=True, slots=True)
class Recommended:
    """``issues``: those given and the recommendations, worst first; ``window``: with the sources
    that were unavailable; ``coverage``: which findings may be resolved, of ``TITLES`` and of the
    advisors whose issues were judged; ``store`` keeps the recommendations with their findings.
    """

    issues: list[DetectedIssue]
    window: Window
    coverage: Coverage
    store: Callable[[Sequence[Finding]], None]


class Recommender(Protocol):
    """``TITLES``: the advisor IDs of its findings, with their titles."""

    TITLES: dict[str, str]

    def recommend(
        self,
        window: Window,
        database: str,
        issues: list[DetectedIssue],
        *,
        only: Collection[str] = (),
    ) -> Recommended:
        """Return the recommendations for ``window``; it raises nothing for the database's sake."""
        ...

    def measure_impact(self, analysis: Analysis, window: Window) -> list[DetectedIssue]:
        """Measure what was applied since; return the recommendations that did not help."""
        ...


_registered: dict[str, None] = {}


def register(module: str) -> None:
    """Have every analysis from now on ask ``module``, a ``Recommender`` by its dotted name.

    It is imported when first asked: most processes never analyse, and to read SQL takes a parser
    that costs a third of a second to import. Doing it twice changes nothing.
    """
    _registered[module] = None


def registered() -> tuple[Recommender, ...]:
    return tuple(cast("Recommender", import_module(name)) for name in _registered)


def titles() -> dict[str, str]:
    """Return the IDs of all recommenders' findings, with their titles."""
    return {id_: title for each in registered() for id_, title in each.TITLES.items()}
