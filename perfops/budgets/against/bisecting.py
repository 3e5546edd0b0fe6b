"""Which commit made it slower: by counts of requests where these differ, else by runs in turn."""

import shlex
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from perfops.budgets.against import (
    attribution,
    checkouts,
    committed_growth,
    comparing,
    databases,
    exact,
)
from perfops.budgets.against.attribution import Cause
from perfops.budgets.against.checkouts import Recipe, Side, commit_of, git
from perfops.budgets.against.databases import CouldNotCompare
from perfops.budgets.against.measuring import Wanted
from perfops.statistics.gate import Outcome

_FAILED = 1

Say = Callable[[str], None]


@dataclass(slots=True)
class Found:
    """``suspects``: the first commit that fails; after some that can't be tested, with these."""

    suspects: list[str]
    by: str
    causes: list[Cause] = field(default_factory=list)


def first_bad(commits: Sequence[str], test: Callable[[str], bool | None]) -> list[str]:
    """Return the first bad one of ``commits``, oldest first, of which the last is bad.

    ``test``: whether one is bad; None: it can't be tested, and is returned too where it may be the
    first. What comes before all of them is good.
    """
    good, bad = -1, len(commits) - 1
    untested: set[int] = set()
    while left := [place for place in range(good + 1, bad) if place not in untested]:
        middle = min(left, key=lambda place: abs(2 * place - good - bad))
        said = test(commits[middle])
        if said is None:
            untested.add(middle)
        elif said:
            bad = middle
        else:
            good = middle
    return list(commits[good + 1 : bad + 1])


def commits_between(good: str, bad: str) -> tuple[str, list[str]]:
    """Return the commit GOOD and those after it up to BAD. Raises ``CouldNotCompare``."""
    old, new = (commit_of(each) for each in (good, bad))
    if git("status", "--porcelain", "--untracked-files=no"):
        raise CouldNotCompare("The checkout has changes: commit or stash them, then bisect.")
    if old == new:
        raise CouldNotCompare(f"{good} and {bad} are one commit.")
    if git("merge-base", old, new) != old:
        raise CouldNotCompare(f"{good} is not an ancestor of {bad}: name an earlier commit of it.")
    return old, git("rev-list", "--reverse", "--first-parent", f"{old}..{new}").splitlines()


class Bisection:
    """Builds of commits, each in a worktree, over copies of the database that GOOD has filled."""

    def __init__(self, good: Side, commit: str, how: Recipe, options: str, scratch: Path) -> None:
        self._good, self._commit, self._how, self._options = good, commit, how, options
        self._counts = scratch / "counts.json"

    def count_good(self) -> None:
        """Count GOOD, and once more. Raises ``CouldNotCompare`` where the two differ."""
        self.counted(self._good, self._counts, update=True)
        again = self.counted(self._good, self._counts)
        if again["exit_code"] == _FAILED:
            raise CouldNotCompare(
                f"GOOD fails already, against its own counts: {', '.join(sorted(violated(again)))}."
            )

    def counted(self, side: Side, file: Path, *, update: bool = False) -> dict[str, Any]:
        """Return the report of the build's own ``check_budget --deterministic``, as data."""
        words = "--update" if update else "--deterministic"
        found = exact.report_of(side, self._how, f"{words} --baseline {file} {self._options}")
        if update and found["exit_code"]:
            raise CouldNotCompare(f"GOOD can't be counted: {' '.join(found['reasons'])}")
        return found

    @contextmanager
    def build(self, commit: str) -> Iterator[Side]:
        """Yield a commit's build, with a copy of GOOD's database."""
        with checkout(commit, self._how) as side:
            databases.create(side.database, like=self._good.database)
            for command in self._how.migrate:
                side.run(command, self._how)
            databases.analyse(side.database)
            yield side

    def counts_of(self, commit: str) -> dict[str, Any]:
        """Return the report of a commit's counts, without growth that it states itself."""
        growth = committed_growth.between(Path(self._how.counts), self._commit, commit)
        with self.build(commit) as side:
            return committed_growth.excused(self.counted(side, self._counts), growth)

    def compared(self, commit: str, wanted: Wanted, say: Say) -> comparing.Compared:
        with self.build(commit) as side:
            return comparing.compare_pair((self._good, side), self._how, wanted, "HEAD", say)


def bisect(good: str, bad: str, wanted: Wanted, options: str, say: Say) -> Found:
    """Return the commit between the two that costs more. Raises ``CouldNotCompare``.

    ``options``: more words for ``check_budget --deterministic``, such as ``--user reader``; what is
    counted is the recipe's file, where they name none.
    """
    how = checkouts.recipe()
    if how.routes and "--routes" not in shlex.split(options):
        options = f"{options} --routes {shlex.quote(str(Path(how.routes).absolute()))}"
    old, commits = commits_between(good, bad)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="perfops-")))
        say(f"Preparing {good}; {len(commits)} commits come after it ...")
        side = stack.enter_context(checkout(old, how))
        databases.create(side.database)
        for command in how.prepare:
            side.run(command, how)
        work = Bisection(side, old, how, options, scratch)
        work.count_good()
        last = work.counts_of(commits[-1])
        if worst := violated(last):
            say(f"Counts differ: {', '.join(sorted(worst))}.")
            return _by_counts(work, commits, last, say)
        say("No count differs: the builds are run in turn.")
        return _in_turn(work, commits, wanted, say)


def _by_counts(work: Bisection, commits: Sequence[str], last: dict[str, Any], say: Say) -> Found:
    """``last``: the report of the last commit, whose violated counts are looked for."""
    worst, reports = violated(last), {commits[-1]: last}

    def test(commit: str) -> bool | None:
        try:
            reports[commit] = work.counts_of(commit)
        except CouldNotCompare as error:
            say(f"{commit[:10]} can't be tested: {error}")
            return None
        said = bool(violated(reports[commit]) & worst)
        say(f"{commit[:10]} is {'bad' if said else 'good'}.")
        return said

    suspects = first_bad(commits, test)
    causes = exact.causes_of(reports[suspects[-1]]["causes"])
    return Found(suspects, "counts of requests", narrowed(causes, suspects))


def _in_turn(work: Bisection, commits: Sequence[str], wanted: Wanted, say: Say) -> Found:
    seen: dict[str, comparing.Compared] = {}

    def test(commit: str) -> bool | None:
        try:
            seen[commit] = work.compared(commit, wanted, say)
        except CouldNotCompare as error:
            say(f"{commit[:10]} can't be tested: {error}")
            return None
        outcome = seen[commit].decision.outcome
        say(f"{commit[:10]}: {outcome}.")
        return None if outcome is Outcome.INCONCLUSIVE else outcome is Outcome.FAIL

    if not test(commits[-1]):
        last = seen.get(commits[-1])
        why = " ".join(last.decision.reasons) if last else "it can't be run."
        raise CouldNotCompare(
            f"BAD does not fail: no count differs from GOOD's, and in turn: {why}"
        )
    suspects = first_bad(commits, test)
    return Found(suspects, "runs in turn", narrowed(seen[suspects[-1]].causes, suspects))


def violated(data: dict[str, Any]) -> set[str]:
    """Return the names of the counts that a report calls violated, waived or not."""
    return {each["name"] for each in data["budgets"] if each["outcome"] == "violated"}


def narrowed(causes: Sequence[Cause], suspects: Sequence[str]) -> list[Cause]:
    """Return the causes with the files and the subjects of the suspected commits alone."""
    changed = tuple(
        git("diff", "--name-only", "--relative", f"{suspects[0]}^", suspects[-1]).splitlines()
    )
    subjects = tuple(git("log", "-1", "--format=%h %s", each) for each in suspects)
    return [
        replace(
            each,
            files=attribution.files_through(
                [each.site.partition(":")[0].partition(" ")[0], *each.files], changed
            ),
            commits=subjects,
        )
        for each in causes
    ]


@contextmanager
def checkout(commit: str, how: Recipe) -> Iterator[Side]:
    """Yield a worktree of the commit, with a name for a database that is dropped at the end."""
    with checkouts.worktree(commit) as (folder, scratch), ExitStack() as stack:
        side = checkouts.side_of(commit[:10], folder, scratch, how)
        stack.callback(databases.drop, side.database)
        yield side
