"""What proves recommendations for an analysis: registered by the packages above this one.

An advisor reads a window of statistics alone. A recommender may also ask the database, so it
costs time; ``perfops.indexes`` registers the one for indexes when the app is ready.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast

from django.db import Error, transaction

from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.collectors.difference import Window
from perfops.analysis.coverage import Coverage
from perfops.conf import conf
from perfops.formatting import first_line
from perfops.models.analyses import Analysis, Finding

log = logging.getLogger(__name__)


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


@dataclass(frozen=True, slots=True)
class Measured:
    """``issues``: recommendations that were applied and did not help; ``notes``: what the others
    did.
    """

    issues: list[DetectedIssue]
    notes: tuple[str, ...] = ()


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

    def measure_impact(self, analysis: Analysis, window: Window) -> Measured:
        """Measure what was applied since."""
        ...

    def after_migrate(self, database: str) -> None:
        """Note what a migration has applied. Raises ``django.db.Error``."""
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


def after_migrate(*, using: str, apps: Any = None, plan: Sequence[Any] = (), **_: object) -> None:
    """Tell the recommenders that migrations were applied: the counters as they are now part what
    came before an index from what comes after it. A ``post_migrate`` receiver, ``apps`` are the
    models as ``plan`` left them; it fails no migration.
    """
    if not plan:
        return
    try:
        recommendations = apps.get_model("perfops", "Recommendation").objects
    except LookupError:
        return
    behind = {alias for alias, direct in conf().DIRECT_DATABASES.items() if direct == using}
    for database in sorted({using, *behind}):
        try:
            with transaction.atomic(recommendations.db):
                waiting = recommendations.filter(finding__database=database, applied_at=None)
                is_any = waiting.exists()
            if is_any:
                for each in registered():
                    each.after_migrate(database)
        except Error as error:
            log.warning("what migrations did to %s can't be noted: %s", database, first_line(error))
