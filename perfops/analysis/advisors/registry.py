"""All advisors: modules of this package, of other apps and of installed packages."""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import cast

from perfops.analysis import advisors
from perfops.analysis.advisors.detection import ORDER, Advisor, DetectedIssue, wrong
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.records import UnavailableSource
from perfops.analysis.coverage import Coverage, hidden_of
from perfops.conf import Conf
from perfops.plugins import Group, usable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AdvisorResults:
    """``issues``, worst first; ``coverage``: what the advisors could see; ``failed``: those that
    raised.
    """

    issues: list[DetectedIssue]
    coverage: Coverage
    failed: tuple[UnavailableSource, ...] = ()

    @property
    def complete(self) -> frozenset[str]:
        """Return the IDs of advisors that had all their sources."""
        return self.coverage.complete


GROUP = Group("perfops.advisors", "ADVISORS", wrong)


def every() -> tuple[Advisor, ...]:
    """Return perfops' own advisors, then those of others; the first of an ID wins."""
    by_id: dict[str, Advisor] = {}
    for advisor in (*_own(), *usable(GROUP)):
        by_id.setdefault(advisor.ID, advisor)
    return tuple(by_id.values())


@cache
def _own() -> tuple[Advisor, ...]:
    modules = (
        import_module(f"{advisors.__name__}.{found.name}")
        for found in iter_modules(advisors.__path__)
        if found.name != "registry"
    )
    return tuple(cast(Advisor, module) for module in modules if not wrong(module))


def titles() -> dict[str, str]:
    """Return the advisors' IDs with their titles."""
    return {advisor.ID: advisor.TITLE for advisor in every()}


def run_advisors(window: Window, limits: Conf, *, only: Collection[str] = ()) -> AdvisorResults:
    """Ask all advisors, or those whose IDs are in ``only``."""
    asked = [advisor for advisor in every() if not only or advisor.ID in only]
    found: list[DetectedIssue] = []
    failed = {}
    for advisor in asked:
        try:
            found += advisor.run(window, limits)
        except Exception as error:
            # Also one of another package: what it raises costs its own findings alone.
            log.exception("the advisor %s failed", advisor.ID)
            failed[advisor.ID] = left_out(advisor.ID, error)
    return AdvisorResults(
        issues=sorted(found, key=lambda a: (ORDER.index(a.severity), a.advisor, a.object)),
        coverage=Coverage(
            frozenset(
                a.ID for a in asked if a.ID not in failed and all(map(window.is_complete, a.NEEDS))
            ),
            {a.ID: hidden_of(a.NEEDS, window.missing) for a in asked},
        ),
        failed=tuple(failed.values()),
    )


def left_out(advisor: str, error: Exception) -> UnavailableSource:
    """Return what the report says of an advisor or recommender that raised ``error``."""
    return UnavailableSource(
        f"advisor {advisor}",
        f"it failed with {type(error).__name__}: {str(error).partition(chr(10))[0]}",
        "Its findings stay as they were. The log has the traceback.",
        "",
    )
