"""What a request costs in both builds, counted by each of them: exact, so no statistics.

No load shows what a cache hides: a list that is asked of the database once in ten minutes, or a key
that never hits behind a proxy that remembers the answer.
"""

import json
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE
from typing import Any

from perfops.budgets.against import checkouts, committed_growth, executed
from perfops.budgets.against.attribution import Cause
from perfops.budgets.against.checkouts import Recipe, Side
from perfops.budgets.against.committed_growth import CommittedGrowth
from perfops.budgets.against.databases import CouldNotCompare
from perfops.budgets.selectors import Judgement, against_before
from perfops.budgets.waivers import Waivers
from perfops.formatting import count_text
from perfops.models.budgets import Evaluation

_MET = Evaluation.Outcome.MET


@dataclass(slots=True)
class Exact:
    """``judgements``: of the counts that grew or are unknown; ``reasons``: what else to say."""

    judgements: list[Judgement] = field(default_factory=list)
    causes: list[Cause] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    @property
    def is_broken(self) -> bool:
        return any(each.is_broken for each in self.judgements)


def report_of(side: Side, how: Recipe, words: str) -> dict[str, Any]:
    """Return the report of the build's own ``check_budget`` as data.

    ``words``: more of its command line. Raises ``CouldNotCompare``.
    """
    command = f"{{python}} manage.py check_budget --vacuum --format json {words}"
    with side.started(command, how, PIPE, PIPE) as child:
        said, errors = child.communicate()
    try:
        found: dict[str, Any] = json.loads(said)
    except ValueError as error:
        raise CouldNotCompare(
            f"Requests of the {side.name} build can't be counted:\n"
            f"{checkouts.end_of(said + errors)}"
        ) from error
    return found


def compare(
    pair: tuple[Side, Side], how: Recipe, routes: Path | None, ref: str, waived: Waivers
) -> Exact:
    """Return what a request costs more in the newer build. Never raises for what can't be counted.

    ``routes``: a routes.json; None for the URLs of each build. ``ref``: the older build's commit.
    What HEAD's file of counts says to have grown since then is no violation.
    """
    old, new = pair
    file = new.scratch / "counts.json"
    words = f"--baseline {file}" + (f" --routes {shlex.quote(str(routes))}" if routes else "")
    try:
        written = report_of(old, how, f"--update {words}")
        if written["exit_code"]:
            return _uncounted(written)
        counting = f"--deterministic --since {ref} --executed {new.scratch / executed.FILE} {words}"
        data = report_of(new, how, counting)
        if any(map(is_violated, data["budgets"])):
            data = confirmed(data, report_of(new, how, counting))
        growth = committed_growth.between(Path(how.counts), ref, "HEAD")
    except CouldNotCompare as error:
        return Exact(reasons=[f"Requests were not counted: {error}"])
    return judged(data, waived, growth)


def is_violated(row: dict[str, Any]) -> bool:
    return bool(row["outcome"] == Evaluation.Outcome.VIOLATED)


def confirmed(first: dict[str, Any], again: dict[str, Any]) -> dict[str, Any]:
    """Return the first report without violations that the same build's second one has not.

    What a machine under load makes a request do, such as to try a connection once more, is no cost
    of the build: that comes again.
    """
    held = {row["name"]: row for row in again["budgets"] if not is_violated(row)}
    rows = [held.get(row["name"], row) if is_violated(row) else row for row in first["budgets"]]
    names = [row["name"] for row in rows if is_violated(row)]
    causes = [
        each
        for each in first["causes"]
        if any(name.endswith(f" of {each['route']}") for name in names)
    ]
    return {**first, "budgets": rows, "causes": causes, "exit_code": max(map(is_violated, rows))}


def judged(data: dict[str, Any], waived: Waivers, growth: CommittedGrowth) -> Exact:
    """Return the report of the newer build's counts as ours, by the waivers of our database.

    ``growth``: what the file of counts says itself; what it excuses is listed, as met.
    """
    if not data["budgets"]:
        return _uncounted(data)
    after = committed_growth.excused(data, growth)
    both = list(zip(data["budgets"], after["budgets"], strict=True))
    found = [_judgement(now, waived) for was, now in both if was["outcome"] != _MET]
    as_before = len(both) - len(found)
    summary = f"{as_before} of {count_text(len(both), 'count')} of single requests did not grow."
    said = committed_growth.reasons(data, after, growth)
    return Exact(found, causes_of(after["causes"]), [summary, *said])


def _uncounted(data: dict[str, Any]) -> Exact:
    return Exact(reasons=[f"Requests were not counted: {' '.join(data['reasons'])}"])


def causes_of(rows: Iterable[dict[str, Any]]) -> list[Cause]:
    """Return causes as reports name them as data."""
    lists = ("files", "commits")
    return [Cause(**{**row, **{name: tuple(row[name]) for name in lists}}) for row in rows]


def _judgement(each: dict[str, Any], waived: Waivers) -> Judgement:
    text: Callable[[float], str] = "{:,.0f}".format
    return against_before(
        each["name"],
        Evaluation.Outcome(each["outcome"]),
        before=each["target"],
        most=each["threshold"],
        now=each["value"],
        text=text,
        reason=each["reason"],
        waived=waived,
    )
