"""All advisors: modules of this package, of other apps and of installed packages."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import cast

from perfops.analysis import advisors
from perfops.analysis.advisors.detection import ORDER, Advisor, DetectedIssue, is_advisor, wrong
from perfops.analysis.collectors.difference import Window
from perfops.conf import Conf
from perfops.plugins import Group, usable


@dataclass(frozen=True, slots=True)
class AdvisorResults:
    """``issues``, worst first; ``complete``: the IDs of advisors that had all their sources."""

    issues: list[DetectedIssue]
    complete: frozenset[str]


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
    return tuple(cast(Advisor, module) for module in modules if is_advisor(module))


def titles() -> dict[str, str]:
    """Return the advisors' IDs with their titles."""
    return {advisor.ID: advisor.TITLE for advisor in every()}


def run_advisors(window: Window, limits: Conf, *, only: Collection[str] = ()) -> AdvisorResults:
    """Ask all advisors, or those whose IDs are in ``only``."""
    asked = [advisor for advisor in every() if not only or advisor.ID in only]
    found = [issue for advisor in asked for issue in advisor.run(window, limits)]
    missing = {each.source for each in window.missing}
    return AdvisorResults(
        issues=sorted(found, key=lambda a: (ORDER.index(a.severity), a.advisor, a.object)),
        complete=frozenset(a.ID for a in asked if missing.isdisjoint(a.NEEDS)),
    )
