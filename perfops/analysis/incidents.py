"""Issues with one cause as one incident, ranked by impact; what is no application's work apart."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from perfops.analysis.advisors.detection import ORDER, DetectedIssue
from perfops.analysis.collectors.difference import Window
from perfops.conf import Conf

# So many incidents of one kind are one line that opens.
FOLDED = 4
# A statement is set apart where so much of its time is.
_MOST = 0.9
# So many objects are named in a line.
_NAMED = 3
_BACKUP = re.compile(r"^\s*(COPY\s.*\sTO\s|LOCK TABLE .* IN ACCESS SHARE MODE)", re.I | re.S)
_CHANGES = re.compile(
    r"^\s*(CREATE|ALTER|DROP|TRUNCATE|COMMENT|VACUUM|ANALYZE|REINDEX|CLUSTER|COPY)\b", re.I
)
_OURS = re.compile(r'\b(?:FROM|INTO|UPDATE|JOIN)\s+"?perfops_', re.I)
SEEDING, MIGRATIONS = "seeding and commands", "migrations and maintenance"
BACKUPS, PERFOPS = "backups", "perfops itself"


@dataclass(frozen=True, slots=True)
class Incident:
    """Issues about one statement, table or index, worst first.

    ``impact``: the share (0 to 1) of the database's time in the window that its statements took,
    None without any. ``apart``: whose work it is, where it is not the application's; else "".
    """

    issues: tuple[DetectedIssue, ...]
    impact: float | None
    apart: str

    @property
    def severity_rank(self) -> int:
        return min(ORDER.index(each.severity) for each in self.issues)


def arrange(window: Window, issues: Iterable[DetectedIssue], limits: Conf) -> tuple[Incident, ...]:
    """Return the incidents: errors first, then by impact; those that are set apart last."""
    shares = window.shares()
    apart = _apart(window, limits)

    def incident(its: list[DetectedIssue]) -> Incident:
        ids = {queryid for each in its for queryid in each.queryids}
        known = ids & shares.keys()
        impact = sum(shares[each] for each in known) if known else None
        return Incident(tuple(its), impact, _whose(its, ids, apart))

    found = [incident(its) for its in _together(window, issues)]
    return tuple(sorted(found, key=lambda e: (e.apart != "", e.severity_rank, -(e.impact or 0.0))))


def _together(window: Window, issues: Iterable[DetectedIssue]) -> list[list[DetectedIssue]]:
    """Join issues that share a statement, an index or a table, also by way of a third."""
    tables = {table.qualified for table in window.tables}
    # By number, and the number of the group that has a key.
    groups: dict[int, tuple[set[tuple[str, str]], list[DetectedIssue]]] = {}
    group_of: dict[tuple[str, str], int] = {}
    for number, issue in enumerate(issues):
        keys, its = _keys(issue, tables), [issue]
        for shared in sorted({group_of[key] for key in keys if key in group_of}):
            others, earlier = groups.pop(shared)
            keys, its = keys | others, earlier + its
        groups[number] = keys, its
        group_of |= dict.fromkeys(keys, number)
    return [sorted(its, key=lambda e: ORDER.index(e.severity)) for _, its in groups.values()]


def _keys(issue: DetectedIssue, tables: set[str]) -> set[tuple[str, str]]:
    keys = {("statement", queryid) for queryid in issue.queryids}
    if issue.index is not None and issue.index.name:
        keys.add(("index", f"{issue.index.schema}.{issue.index.name}"))
    if issue.object in tables:
        keys.add(("table", issue.object))
    elif issue.index is not None and issue.queryids:
        # An index to build ends the scans of its table.
        keys.add(("table", f"{issue.index.schema}.{issue.index.table}"))
    return keys or {("issue", issue.fingerprint)}


def _apart(window: Window, limits: Conf) -> dict[str, str]:
    """Return whose work a statement is, by its queryid, where it is not the application's."""
    found = {each.queryid: _by_text(each.text) for each in window.statements}
    total: defaultdict[str, float] = defaultdict(float)
    set_apart: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for origin in window.origins:
        kind = ""
        if origin.site.startswith("perfops/"):
            kind = PERFOPS
        elif origin.kind == "command" and any(
            fnmatchcase(origin.name, pattern) for pattern in limits.SET_APART_COMMANDS
        ):
            kind = SEEDING
        for queryid in origin.queryids:
            total[queryid] += origin.total_ms
            if kind:
                set_apart[queryid][kind] += origin.total_ms
    for queryid, kinds in set_apart.items():
        if sum(kinds.values()) >= _MOST * total[queryid]:
            found[queryid] = max(kinds, key=lambda kind: kinds[kind])
    return {queryid: kind for queryid, kind in found.items() if kind}


def _by_text(text: str) -> str:
    if _BACKUP.match(text):
        return BACKUPS
    if _CHANGES.match(text):
        return MIGRATIONS
    return PERFOPS if _OURS.search(text) else ""


def _whose(its: list[DetectedIssue], ids: set[str], apart: dict[str, str]) -> str:
    """An incident is set apart only if all its statements are."""
    kinds = {apart.get(queryid, "") for queryid in ids}
    if ids:
        return "" if "" in kinds else sorted(kinds)[0]
    names = [each.object.rpartition(".")[2] for each in its]
    return PERFOPS if all(name.startswith("perfops_") for name in names) else ""


@dataclass(frozen=True, slots=True)
class Line[T]:
    """What a report has a line for: one incident, or many of one kind (``kind``: an advisor)."""

    incidents: tuple[tuple[T, ...], ...]
    kind: str = ""
    apart: str = ""


def lines[T](
    found: Sequence[tuple[tuple[T, ...], str]], kind: Callable[[T], tuple[str, str]]
) -> list[Line[T]]:
    """Return the incidents, each with whose work it is, as lines, in their order.

    ``kind``: advisor and severity of a finding. ``FOLDED`` or more incidents that have one
    finding each, of one kind, become one line where the first of them stands; errors never do.
    """
    same: defaultdict[tuple[str, ...], list[tuple[T, ...]]] = defaultdict(list)
    for its, apart in found:
        if len(its) == 1:
            same[*kind(its[0]), apart].append(its)
    folded: set[tuple[str, ...]] = set()
    result = []
    for its, apart in found:
        advisor, severity = kind(its[0])
        key = (advisor, severity, apart)
        if len(its) > 1 or severity == "error" or len(same[key]) < FOLDED:
            result.append(Line((its,), "", apart))
        elif key not in folded:
            folded.add(key)
            result.append(Line(tuple(same[key]), advisor, apart))
    return result


def folded_title(kind: str, objects: Sequence[str]) -> str:
    """Return "8 of Unused indexes: a, b, c and 5 more"."""
    named, rest = ", ".join(objects[:_NAMED]), len(objects) - _NAMED
    return f"{len(objects)} of {kind}: {named}" + (f" and {rest} more" if rest > 0 else "")
