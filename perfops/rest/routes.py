"""Which endpoint needs which permission; the router of them for a project's own django-ninja API.

    api.add_router("/perfops", make_router(guard))

A project without one includes ``perfops.rest.urls``. Errors are raised as ``access.Refused``: an
API that has the router handles it with its own form of errors.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ninja import Router

from perfops.rest import budgets, findings, runs, schemas, waivers
from perfops.rest.access import Guard

_PROBLEM: dict[str, Any] = {
    "description": "Conflict",
    "content": {
        "application/problem+json": {
            "schema": {"type": "object", "required": ["status", "detail"]},
        }
    },
}


@dataclass(frozen=True, slots=True)
class _Operation:
    method: str
    path: str
    view: Callable[..., Any]
    permission: str
    response: Any
    summary: str
    may_conflict: bool = False
    name: str = ""


OPERATIONS = (
    _Operation("GET", "/runs", runs.listed, "view_loadrun", schemas.Runs, "List load runs"),
    _Operation(
        "POST", "/runs", runs.start, "run_loadrun", {201: schemas.Run}, "Start a load run", True
    ),
    _Operation(
        "GET", "/runs/{int:id}", runs.one, "view_loadrun", schemas.Run,
        "Show a load run and its verdict", name=runs.ONE,
    ),
    _Operation(
        "POST", "/runs/{int:id}/cancel", runs.cancel, "cancel_loadrun", schemas.Run,
        "Cancel a load run", True,
    ),
    _Operation(
        "POST", "/runs/{int:id}/rate", runs.change_rate, "run_loadrun", schemas.Run,
        "Change the rate of a load run that goes on", True,
    ),
    _Operation(
        "GET", "/incidents", findings.incidents, "view_finding", schemas.Incidents,
        "List what needs attention",
    ),
    _Operation(
        "GET", "/findings", findings.listed, "view_finding", schemas.Findings, "List findings"
    ),
    _Operation(
        "GET", "/findings/{int:id}", findings.one, "view_finding", schemas.Finding,
        "Show a finding",
    ),
    _Operation(
        "POST", "/findings/{int:id}/acknowledge", findings.acknowledge, "mute_finding",
        schemas.Finding, "Acknowledge a finding", True,
    ),
    _Operation(
        "POST", "/findings/{int:id}/mute", findings.mute, "mute_finding", schemas.Finding,
        "Mute a finding", True,
    ),
    _Operation(
        "POST", "/findings/{int:id}/reopen", findings.reopen, "mute_finding", schemas.Finding,
        "Open a finding again", True,
    ),
    _Operation("GET", "/budgets", budgets.listed, "view_budget", schemas.Budgets, "List budgets"),
    _Operation(
        "GET", "/budgets/{int:id}", budgets.one, "view_budget", schemas.BudgetRow, "Show a budget"
    ),
    _Operation("GET", "/waivers", waivers.listed, "view_waiver", schemas.Waivers, "List waivers"),
    _Operation(
        "POST", "/waivers", waivers.waive, "add_waiver", {201: schemas.WaiverRow},
        "Accept a budget's violations until a time",
    ),
    _Operation(
        "POST", "/waivers/{int:id}/end", waivers.end, "change_waiver", schemas.WaiverRow,
        "End a waiver", True,
    ),
)  # fmt: skip


def make_router(guard: Guard) -> Router:
    """Return the endpoints, each behind ``guard`` of the permission that the admin asks for it."""
    router = Router(tags=["perfops"])
    for each in OPERATIONS:
        router.add_api_operation(
            each.path,
            [each.method],
            each.view,
            auth=guard(f"perfops.{each.permission}"),
            response=each.response,
            summary=each.summary,
            operation_id=f"perfops_{each.view.__module__.rpartition('.')[2]}_{each.view.__name__}",
            url_name=each.name or None,
            openapi_extra={"responses": {409: _PROBLEM}} if each.may_conflict else None,
        )
    return router
