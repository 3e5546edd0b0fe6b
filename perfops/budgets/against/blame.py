"""Which of the commits changed the lines that cost more: a file's other commits come after them."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

from perfops.budgets.against.checkouts import git
from perfops.budgets.against.databases import CouldNotCompare
from perfops.budgets.against.function_lines import Lines, lines_of

UNCOMMITTED = "not committed yet"
# As causes have it: "file:line function" of a statement, "file function" of Python's instructions.
_SITE = re.compile(r"(?P<file>[^:]+?)(?::(?P<line>\d+))? (?P<function>.+)")
_BLAMED = re.compile(r"(?P<commit>[0-9a-f]{40})(?: \d+){2,3}", re.M)
_NONE = "0" * 40


def likeliest(
    commits: Sequence[str], ref: str, site: str, executed: Iterable[str] = ()
) -> list[str]:
    """Return ``commits`` ("abc123 Subject"), the likeliest first; others stay in their order.

    First those since ``ref`` that last changed the line of the ``site``, then its function, then
    functions that the request ``executed`` ("file function"). What blame can't say changes nothing.
    """
    if len(commits) < 2:
        return list(commits)
    ranks = [_of_line(site, ref), _of_functions([site], ref), _of_functions(executed, ref)]

    def rank(commit: str) -> int:
        known = _NONE if commit == UNCOMMITTED else commit.partition(" ")[0]
        places = (place for place, its in enumerate(ranks) if any(c.startswith(known) for c in its))
        return next(places, len(ranks))

    return sorted(commits, key=rank)


def _of_line(site: str, ref: str) -> set[str]:
    found = _SITE.fullmatch(site)
    if found is None or not found["line"]:
        return set()
    line = int(found["line"])
    return _blamed(found["file"], [(line, line)], ref)


def _of_functions(names: Iterable[str], ref: str) -> set[str]:
    by_file = defaultdict(list)
    for found in filter(None, map(_SITE.fullmatch, names)):
        by_file[found["file"]].append(found["function"])
    return set(chain.from_iterable(_of_file(file, its, ref) for file, its in by_file.items()))


def _of_file(file: str, functions: Iterable[str], ref: str) -> set[str]:
    try:
        source = Path(file).read_text()
        found = [lines_of(source, each) for each in functions]
    except (OSError, ValueError, SyntaxError):
        return set()
    return _blamed(file, [each for each in found if each], ref)


def _blamed(file: str, lines: Sequence[Lines], ref: str) -> set[str]:
    """Return the commits after ``ref`` that last changed the lines of the working directory."""
    if not lines:
        return set()
    ranges = chain.from_iterable(("-L", f"{first},{last}") for first, last in lines)
    try:
        said = git("blame", "--porcelain", *ranges, f"^{ref}", "--", file)
        older = git("rev-parse", f"{ref}^{{commit}}")
    except CouldNotCompare:
        return set()
    return {found["commit"] for found in _BLAMED.finditer(said)} - {older}
