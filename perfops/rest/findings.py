"""Findings and incidents over REST: lists, one, acknowledge, mute, open again."""

from typing import Any

from django.http import HttpRequest
from ninja import Path, Query

from perfops.analysis import selectors, triage
from perfops.models.analyses import Finding
from perfops.rest import pages, schemas
from perfops.rest.access import Refused, note, user_of

_WIDE = ("evidence", "why", "remedy", "statement")
# As many findings of an analysis are looked at.
_MOST = 500


def listed(
    request: HttpRequest,
    limit: pages.Limit = pages.DEFAULT_LIMIT,
    cursor: pages.Cursor = None,
    status: schemas.Status | None = "open",
    severity: schemas.Severity | None = None,
    advisor: str = Query("", max_length=50, pattern=r"^[^\x00]*$"),  # type: ignore[type-arg]
    database: str = Query("", max_length=100, pattern=r"^[^\x00]*$"),  # type: ignore[type-arg]
) -> dict[str, Any]:
    """Findings, the newest first; open ones unless ``status`` says otherwise."""
    wanted = {"status": status, "severity": severity, "advisor": advisor, "database": database}
    rows = Finding.objects.select_related("assignee").defer(*_WIDE)
    rows = rows.filter(**{name: value for name, value in wanted.items() if value})
    found, following = pages.cut(request, rows, limit, cursor)
    return {"results": [_row(each) for each in found], "next": following}


def one(request: HttpRequest, id: int = Path(le=pages.LARGEST_KEY)) -> dict[str, Any]:  # type: ignore[type-arg]  # noqa: A002
    """A finding: what is wrong, the figures that show it, what to do."""
    return _detail(_found(id))


def acknowledge(request: HttpRequest, id: int = Path(le=pages.LARGEST_KEY)) -> dict[str, Any]:  # type: ignore[type-arg]  # noqa: A002
    """Say that someone works on it: it is not among the open ones any more."""
    return _act(request, id, "acknowledge", triage.acknowledge([id], by=user_of(request)))


def mute(
    request: HttpRequest,
    data: schemas.Mute,
    id: int = Path(le=pages.LARGEST_KEY),  # type: ignore[type-arg]  # noqa: A002
) -> dict[str, Any]:
    """Hide it until a day, for a reason."""
    try:
        changed = triage.mute([id], until=data.until, reason=data.reason, by=user_of(request))
    except triage.NotMuted as error:
        raise Refused(422, str(error), errors=[("body.until", str(error))]) from error
    return _act(request, id, "mute", changed)


def reopen(request: HttpRequest, id: int = Path(le=pages.LARGEST_KEY)) -> dict[str, Any]:  # type: ignore[type-arg]  # noqa: A002
    """Undo an acknowledgement or a mute."""
    return _act(request, id, "reopen", triage.reopen([id], by=user_of(request)))


def incidents(
    request: HttpRequest,
    database: str = Query("default", max_length=100, pattern=r"^[^\x00]+$"),  # type: ignore[type-arg]
) -> dict[str, Any]:
    """What needs attention: findings with one cause together, the worst first."""
    analysis = selectors.newest(database)
    if analysis is None:
        return {"analysis": None, "at": None, "results": []}
    seen = selectors.still_open(selectors.findings_of(analysis, limit=_MOST))
    found = [its for line in selectors.lines_of(seen) for its in line.incidents]
    results = [
        {
            "title": its[0].finding.title,
            "severity": its[0].severity,
            "impact": its[0].impact,
            "set_apart": its[0].apart,
            "findings": [_row(each.finding) for each in its],
        }
        for its in found
    ]
    return {"analysis": analysis.pk, "at": analysis.finished_at, "results": results}


def _act(request: HttpRequest, finding_id: int, action: str, changed: int) -> dict[str, Any]:
    finding = _found(finding_id)
    if not changed:
        state = finding.get_status_display()
        raise Refused(409, f"Finding {finding_id} is {state}: it can't be changed like this.")
    note(request, f"{action} a finding", f"finding {finding_id}")
    return _detail(finding)


def _found(finding_id: int) -> Finding:
    finding = Finding.objects.select_related("assignee").filter(pk=finding_id).first()
    if finding is None:
        raise Refused(404, f"There is no finding {finding_id}.")
    return finding


def _row(finding: Finding) -> dict[str, Any]:
    plain = (
        "title", "severity", "status", "advisor", "database", "object", "muted_until",
        "mute_reason", "first_seen_at", "last_seen_at", "resolved_at",
    )  # fmt: skip
    assignee = finding.assignee.get_username() if finding.assignee else None
    values = {name: getattr(finding, name) for name in plain}
    return {"id": finding.pk, "assignee": assignee, **values}


def _detail(finding: Finding) -> dict[str, Any]:
    return {**_row(finding), **{name: getattr(finding, name) for name in _WIDE}}
