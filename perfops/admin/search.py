"""One search over runs, findings, queries, budgets, routes and what a project adds.

Each is searched as its own list is, by who may see that list. ``PERFOPS["SEARCHED_MODELS"]`` names
models of the project ("shop.order") whose admin is asked as well; one that raises costs itself.
"""

import logging
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.exceptions import NotRegistered
from django.db import router, transaction
from django.http import HttpRequest
from django.urls import reverse

from perfops import searched
from perfops.admin import badges
from perfops.admin.badges import Badge
from perfops.analysis import queries
from perfops.formatting import count_text, cut, ms_text
from perfops.models.analyses import Finding
from perfops.models.budgets import Budget
from perfops.models.origins import QueryTemplate, ScopeTotal
from perfops.models.runs import LoadRun

log = logging.getLogger(__name__)
MOST = 8
LONGEST = 200
_ROUTE_DAYS = 7
_CHARACTERS = 120
_OURS = (LoadRun, Finding, QueryTemplate, Budget)


@dataclass(frozen=True, slots=True)
class Hit:
    title: str
    url: str
    note: str = ""
    badge: Badge | None = None


@dataclass(frozen=True, slots=True)
class Hits:
    """The first ``MOST`` of one kind; ``more_url``: their list, "" when these are all.

    ``fault``: why this kind could not be searched, "" when it was.
    """

    name: str
    found: list[Hit]
    more_url: str
    fault: str = ""


def cleaned(term: str) -> str:
    """Return what is searched for: no NUL, which PostgreSQL refuses, and not endless."""
    return " ".join(term.replace("\0", " ").split())[:LONGEST]


def search(site: AdminSite, request: HttpRequest, term: str) -> list[Hits]:
    """Return what was found, without the kinds of which there is none. A query for each kind.

    A kind whose search raised is among them, with its ``fault``.
    """
    if not term:
        return []
    kinds = [
        *(_rows(site, request, model, term) for model in _OURS),
        *(_of_the_project(site, request, model, term) for model in searched.models()),
        _routes(request, term),
    ]
    return [each for each in kinds if each.found or each.fault]


def _of_the_project(site: AdminSite, request: HttpRequest, model: Any, term: str) -> Hits:
    try:
        # A statement that fails must not take the request's transaction with it.
        with transaction.atomic(using=router.db_for_read(model)):
            return _rows(site, request, model, term)
    except Exception as error:
        log.exception("%s can't be searched", model._meta.label)
        fault = f"{model._meta.label} raised {type(error).__name__}; the log says more."
        return Hits(_name(model), [], "", fault)


def _name(model: Any) -> str:
    return str(model._meta.verbose_name_plural).capitalize()


def _rows(site: AdminSite, request: HttpRequest, model: Any, term: str) -> Hits:
    name = _name(model)
    try:
        its: ModelAdmin[Any] = site.get_model_admin(model)
    except NotRegistered:
        return Hits(name, [], "")
    if not its.has_view_permission(request):
        return Hits(name, [], "")
    rows, may_repeat = its.get_search_results(request, its.get_queryset(request), term)
    rows = rows.order_by(*its.get_ordering(request)) if its.get_ordering(request) else rows
    found = list((rows.distinct() if may_repeat else rows)[: MOST + 1])
    page = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    asked = {"q": term, **({"status": "all"} if model is Finding else {})}
    return Hits(
        name,
        [_hit(each, reverse(f"{page}_change", args=[each.pk])) for each in found[:MOST]],
        f"{reverse(f'{page}_changelist')}?{urlencode(asked)}" if len(found) > MOST else "",
    )


def _hit(found: Any, url: str) -> Hit:
    match found:
        case LoadRun():
            p95_ms = found.summary.get("intended_latency_ms", {}).get("p95")
            note = f"{found.target}, p95 with waiting {ms_text(p95_ms)}"
            return Hit(str(found).capitalize(), url, note, badges.of_run(found))
        case Finding():
            note = f"{found.get_status_display()}, {found.database}"
            return Hit(found.title, url, note, badges.of_severity(found.severity))
        case QueryTemplate():
            return Hit(cut(found.text, _CHARACTERS), url, found.database)
    return Hit(str(found), url)


def _routes(request: HttpRequest, term: str) -> Hits:
    """Routes, tasks and commands of the last ``_ROUTE_DAYS`` days, to their statements."""
    name = "Routes, tasks and commands"
    if not request.user.has_perm("perfops.view_scopetotal"):
        return Hits(name, [], "")
    rows = ScopeTotal.objects.filter(at__gte=queries.begin(_ROUTE_DAYS), name__icontains=term)
    found = list(rows.values_list("kind", "name").order_by("name").distinct()[: MOST + 1])
    page = reverse("admin:perfops_scopetotal_changelist")
    return Hits(
        name,
        [
            Hit(each, f"{page}?{urlencode({'q': each, 'window': 'week'})}", kind)
            for kind, each in found[:MOST]
        ],
        f"{page}?{urlencode({'q': term, 'window': 'week'})}" if len(found) > MOST else "",
    )


def sentence(term: str, hits: list[Hits]) -> str:
    """Return what was found in words."""
    if not term:
        return "Type a route, a part of a statement or of a finding, a budget, or a run's number."
    number = sum(len(each.found) for each in hits)
    failed = ", ".join(each.name for each in hits if each.fault)
    without = f" Could not be searched: {failed}." if failed else ""
    if not number:
        return f"Nothing has “{term}” in it.{without}"
    more = " or more" if any(each.more_url for each in hits) else ""
    return f"{count_text(number, 'place')}{more} with “{term}”.{without}"
