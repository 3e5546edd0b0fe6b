"""What webhooks are sent: a run's verdict, and the incidents that an analysis opened or closed."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F

from perfops.budgets import selectors as budgets
from perfops.models.analyses import Analysis, Finding, Occurrence
from perfops.models.runs import LoadRun

VERDICT, OPENED, CLOSED = "verdict", "incident opened", "incident closed"
EVENTS = (VERDICT, OPENED, CLOSED)


@dataclass(frozen=True, slots=True)
class Event:
    """What is sent. ``id`` is the same for each attempt: who has it already can tell."""

    id: str
    name: str
    data: dict[str, Any]

    @property
    def body(self) -> bytes:
        content = {"version": 1, "id": self.id, "event": self.name, **self.data}
        return json.dumps(content, default=str).encode()


def of_run(run: LoadRun) -> list[Event]:
    """Return the event of a run's verdict; none of a run without one. Two queries."""
    if run.state != LoadRun.State.FINISHED or not run.verdict:
        return []
    names = ("name", "action", "outcome", "is_waived", "value", "target", "threshold", "reason")
    data = {
        "run": run.pk,
        "scenario": run.scenario,
        "target": run.target,
        "verdict": run.verdict,
        "reasons": run.reasons,
        "budgets": [{name: getattr(e, name) for name in names} for e in budgets.of_run(run)],
    }
    return [Event(f"run-{run.pk}-verdict", VERDICT, data)]


def open_findings(database: str) -> frozenset[int]:
    """Return the open findings of ``database`` by their keys: to be asked before an analysis."""
    rows = Finding.objects.filter(database=database, status=Finding.Status.OPEN)
    return frozenset(rows.values_list("pk", flat=True))


def of_analysis(analysis: Analysis, before: frozenset[int]) -> list[Event]:
    """Return which incidents an analysis opened and closed; ``before``: what was open until then.

    An incident is open while one of its findings is. Three queries.
    """
    now = open_findings(analysis.database)
    opened = [its for its in _incidents(now - before) if not _any_of(its, before)]
    resolved = Finding.objects.filter(pk__in=before - now, status=Finding.Status.RESOLVED)
    gone = _incidents(resolved.values_list("pk", flat=True))
    closed = [its for its in gone if not _any_of(its, now)]
    return [*_events(analysis, OPENED, opened), *_events(analysis, CLOSED, closed)]


def _any_of(its: Sequence[Occurrence], keys: Collection[int]) -> bool:
    return any(each.finding_id in keys for each in its)


def _incidents(keys: Iterable[int]) -> list[list[Occurrence]]:
    """Return the incidents, as they were seen last, that have one of these findings."""
    last = Occurrence.objects.filter(analysis=F("finding__last_analysis"))
    wanted = {(e.analysis_id, e.incident, e.finding_id) for e in last.filter(finding__in=set(keys))}
    rows = last.filter(analysis__in={analysis for analysis, *_ in wanted}).select_related("finding")
    groups: dict[object, list[Occurrence]] = {}
    for each in rows.order_by("analysis", "incident", "pk"):
        alone = each.finding_id if each.incident is None else None
        groups.setdefault((each.analysis_id, each.incident, alone), []).append(each)
    found = {pk for *_, pk in wanted}
    return [its for its in groups.values() if _any_of(its, found)]


def _events(analysis: Analysis, name: str, found: Sequence[Sequence[Occurrence]]) -> list[Event]:
    if not found:
        return []
    data = {
        "analysis": analysis.pk,
        "database": analysis.database,
        "incidents": [
            {
                "title": its[0].finding.title,
                "severity": its[0].severity,
                "impact": its[0].impact,
                "findings": [each.finding_id for each in its],
            }
            for its in found
        ],
    }
    return [Event(f"analysis-{analysis.pk}-{name.partition(' ')[2]}", name, data)]
