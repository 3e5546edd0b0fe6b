"""Problems of read replicas: what they are asked, and what it costs, they count for themselves."""

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

import msgspec
from django.db import Error, connections

from perfops.analysis import snapshots
from perfops.analysis.advisors import registry
from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.collectors import difference, origins, snapshot
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.records import UnavailableSource
from perfops.analysis.collectors.snapshot import Snapshot
from perfops.analysis.coverage import Coverage
from perfops.conf import conf
from perfops.formatting import first_line, to_datetime

log = logging.getLogger(__name__)

# What a replica's own counters and sessions know; all else it has from its primary.
_ADVISORS = frozenset({
    "blocked_sessions", "cache_hit_ratio", "connections", "frequent_queries",
    "idle_in_transaction", "long_queries", "n_plus_one", "rows_read", "sequential_scans",
    "slow_queries", "temp_files", "unsteady_queries",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class OnReplicas:
    """``issues``: each names its server. ``taken``: the snapshots by alias, to be kept."""

    issues: list[DetectedIssue] = field(default_factory=list)
    missing: tuple[UnavailableSource, ...] = ()
    taken: dict[str, Snapshot] = field(default_factory=dict)


def look(aliases: Iterable[str], of_primary: Window, *, only: Collection[str] = ()) -> OnReplicas:
    """Return what the advisors find on each replica, over a window as long as that of its primary,
    or over all that its counters hold where no earlier snapshot is kept. Never raises for one of
    them: it is in ``missing``.
    """
    issues: list[DetectedIssue] = []
    missing: list[UnavailableSource] = []
    taken: dict[str, Snapshot] = {}
    asked = _ADVISORS & set(only) if only else _ADVISORS
    for alias in aliases if asked else ():
        try:
            present = snapshot.take(alias)
            window = _window(alias, present, of_primary.seconds)
        except Error as error:
            log.warning("the replica %s is left out: %s", alias, first_line(error))
            cost = "What it is asked, and what that costs it, is not known."
            missing.append(UnavailableSource(f"replica {alias}", first_line(error), cost, ""))
            continue
        found = registry.run_advisors(window, conf(), only=asked)
        issues += [_named(issue, alias) for issue in found.issues]
        missing += [
            msgspec.structs.replace(each, source=f"{each.source} of {alias}")
            for each in (*window.missing, *found.failed)
        ]
        taken[alias] = present
    return OnReplicas(issues, tuple(missing), taken)


def coverage(of_primary: Coverage, looked_at: Mapping[str, Snapshot], database: str) -> Coverage:
    """Return it where findings on an alias that was not looked at stay as they were."""
    unseen = frozenset(f"{a}:" for a in connections if a != database and a not in looked_at)
    return of_primary | Coverage(frozenset(), dict.fromkeys(_ADVISORS, unseen))


def _window(alias: str, present: Snapshot, seconds: float) -> Window:
    earlier = None
    try:
        earlier = snapshots.read(snapshots.at(alias, to_datetime(present.taken_at - seconds)))
    except Error as error:
        log.warning("earlier snapshots of %s can't be read: %s", alias, first_line(error))
    window = (
        difference.between(earlier, present)
        if earlier is not None and earlier.taken_at < present.taken_at
        else difference.since_reset(present)
    )
    sent = origins.read(alias, since=present.taken_at - window.seconds)
    return replace(window, origins=sent.origins, scopes=sent.scopes, alias=alias)


def _named(issue: DetectedIssue, alias: str) -> DetectedIssue:
    return replace(
        issue,
        object=f"{alias}: {issue.object}",
        subject=f"{alias}: {issue.subject}" if issue.subject else "",
        title=f"{issue.title} (on {alias})",
        evidence={**issue.evidence, "server": alias},
    )
