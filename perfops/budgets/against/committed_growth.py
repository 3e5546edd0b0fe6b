"""Growth that a commit states itself, by changing the file of counts: it fails no comparison."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perfops.budgets.against import attribution, blame
from perfops.budgets.against.checkouts import git
from perfops.budgets.against.databases import CouldNotCompare
from perfops.budgets.deterministic import comparing, counts
from perfops.budgets.deterministic.comparing import Verdict
from perfops.budgets.deterministic.counts import Baseline, UnusableBaseline
from perfops.models.budgets import Evaluation

_MET, _VIOLATED = Evaluation.Outcome.MET, Evaluation.Outcome.VIOLATED


@dataclass(frozen=True, slots=True)
class CommittedGrowth:
    """``by_name``: of a count ("rows of /a") what the ``file`` said before, and says now.

    ``commits``: that changed the file, newest first. ``note``: why it excuses nothing, or "".
    """

    file: Path = Path()
    by_name: Mapping[str, Verdict] = field(default_factory=dict)
    commits: tuple[str, ...] = ()
    note: str = ""


def between(file: Path, old: str, new: str) -> CommittedGrowth:
    """Return what the ``file`` of the commit ``new`` states beyond that of the commit ``old``.

    A file that either commit does not have states nothing.
    """
    file = Path(os.path.relpath(file))
    found = [_committed(each, file) for each in (old, new)]
    if None in found or found[0] == found[1]:
        return CommittedGrowth(file, note=_uncommitted(file))
    try:
        before, now = (counts.read(each.encode()) for each in found if each is not None)
    except UnusableBaseline as error:
        return CommittedGrowth(file, note=f"The change of {file} excuses nothing: {error}.")
    log = git("log", "--format=%h %s", f"{old}..{new}", "--", str(file))
    return CommittedGrowth(file, stated(before, now), tuple(log.splitlines()), _uncommitted(file))


def stated(before: Baseline, now: Baseline) -> dict[str, Verdict]:
    """Return the counts that grew from one file to the other, by name.

    Counts over other rows or by other paths, and instructions of another Python, are no growth.
    """
    return {
        f"{each.what} of {each.route}": each
        for each in comparing.compare(before.routes, now.routes)
        if each.now is not None
        and each.now > each.before
        and (before.python == now.python or each.what != comparing.NAMES["steps"])
    }


def excused(data: Mapping[str, Any], growth: CommittedGrowth) -> dict[str, Any]:
    """Return the report of a build's counts without violations that the file states.

    ``data``: as ``check_budget --format json`` writes it. A count that grew by more than the file
    says stays a violation, whose reason says so. Routes without violations have no causes.
    """
    rows = [_row(each, growth) for each in data["budgets"]]
    names = [each["name"] for each in rows if each["outcome"] == _VIOLATED]
    causes = [
        each
        for each in data["causes"]
        if any(name.endswith(f" of {each['route']}") for name in names)
    ]
    return {**data, "budgets": rows, "causes": causes}


def reasons(
    before: Mapping[str, Any], after: Mapping[str, Any], growth: CommittedGrowth
) -> list[str]:
    """Return what a report says of counts that were violated ``before``, and are not ``after``."""
    found = [
        f"{now['name']} ({old['target']:,.0f} to {old['value']:,.0f})"
        for old, now in zip(before["budgets"], after["budgets"], strict=True)
        if old["outcome"] != now["outcome"]
    ]
    said = [growth.note] if growth.note else []
    if found:
        by = ", ".join(growth.commits)
        said.insert(0, f"Excused by the change of {growth.file} ({by}): {', '.join(found)}.")
    return said


def _row(each: Mapping[str, Any], growth: CommittedGrowth) -> dict[str, Any]:
    if each["outcome"] != _VIOLATED or each["name"] not in growth.by_name:
        return dict(each)
    its = growth.by_name[each["name"]]
    before, now = its.before, its.now or its.before
    most = comparing.most_of(
        comparing.FIELDS.get(its.what, its.what), int(each["target"] + now - before)
    )
    says = f"{growth.file} was changed from {before:,} to {now:,}"
    if each["value"] > most:
        reason = f"{says}, which excuses {most:,} at most. {each['reason']}"
        return {**each, "reason": reason.strip()}
    reason = f"Excused: {says}."
    return {**each, "outcome": _MET, "threshold": most, "reason": reason}


def _committed(ref: str, file: Path) -> str | None:
    """Return the content of the file in a commit; None where it is not there."""
    try:
        return git("show", f"{ref}:./{file.as_posix()}")
    except CouldNotCompare:
        return None


def _uncommitted(file: Path) -> str:
    if blame.UNCOMMITTED not in attribution.commits((str(file),), "HEAD"):
        return ""
    return f"What {file} says is not committed yet, and excuses nothing before it is."
