"""What the page of a load run shows of the statements that each route sent."""

from dataclasses import dataclass
from typing import Any

from perfops.admin import badges, statements
from perfops.analysis.advisors.detection import DetectedIssue
from perfops.conf import conf
from perfops.formatting import count_text, ms_text
from perfops.load import server_side
from perfops.models.origins import RunStatement
from perfops.models.runs import LoadRun
from perfops.origins import runs
from perfops.origins.runs import RouteCalls

# Of each route, those that took longest; what comes after them is told by its number.
_STATEMENTS = 10
_CARDS = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """By route; ``repeated``: N+1, as cards. ``note``: why nothing is there, or may be missing."""

    routes: list[dict[str, Any]]
    repeated: list[dict[str, Any]]
    note: str


def build(run: LoadRun) -> Asked:
    """Return what the requests of ``run`` asked of the database. Two queries."""
    routes = runs.of_run(run.pk)
    found = server_side.repeated(routes, conf())
    return Asked(
        routes=[_route(route) for route in routes],
        repeated=[_card(statement, issue) for statement, issue in found[:_CARDS]],
        note=_note(run, routes),
    )


def _note(run: LoadRun, routes: list[RouteCalls]) -> str:
    if run.state == LoadRun.State.QUEUED or (not routes and not run.summary):
        return ""
    wait = f"Each process writes its counts every {conf().ORIGIN_FLUSH_S:.0f} s"
    counted = sum(route.requests for route in routes)
    if not counted:
        return (
            f"No request of this run was counted. {wait}; a target that is not this project, has "
            "another SECRET_KEY or lacks perfops' middleware counts none."
        )
    if not run.is_active and counted < (sent := run.summary.get("requests", 0)):
        return (
            f"{counted:,} of {count_text(sent, 'request')} are counted. {wait}: reload the page. "
            "Requests that never reached the application are not counted at all."
        )
    return ""


def _route(route: RouteCalls) -> dict[str, Any]:
    requests = route.requests or 1
    return {
        "name": route.name,
        "cells": [
            f"{route.requests:,}",
            f"{route.calls / requests:,.2f}",
            f"{route.rows / requests:,.1f}",
            ms_text(route.total_ms / requests),
            ms_text(route.total_ms),
        ],
        "statements": [_statement(each, requests) for each in route.statements[:_STATEMENTS]],
        "more": max(0, len(route.statements) - _STATEMENTS),
    }


def _statement(each: RunStatement, requests: int) -> dict[str, Any]:
    return {
        "text": statements.shortened(each.template.text),
        "url": statements.url(each.template),
        "site": each.site or each.function or "no line of the project",
        "cells": [
            f"{each.calls:,}",
            f"{each.calls / requests:,.2f}",
            ms_text(each.total_ms / each.calls) if each.calls else "-",
            ms_text(each.total_ms),
            f"{each.rows:,}",
        ],
    }


def _card(statement: RunStatement, issue: DetectedIssue) -> dict[str, Any]:
    """Return the context of ``perfops/_finding.html``."""
    return {
        "badge": badges.of_severity(issue.severity),
        "url": statements.url(statement.template),
        "title": issue.title,
        "evidence": list(issue.evidence.items()),
        "why": issue.why,
        "remedy": issue.remedy,
    }
