"""The overview, the navigation, times and what a page cost, for any template of the admin.

A project shows the overview on the first page of its admin by an ``admin/index.html`` with
``{% load performance %}`` and ``{% performance_overview %}`` in it.
"""

from datetime import datetime
from typing import Any

from django import template
from django.apps import apps
from django.http import HttpRequest
from django.template import RequestContext
from django.urls import reverse

from perfops.admin import overview, pages
from perfops.conf import conf
from perfops.origins import scope

register = template.Library()


@register.filter
def minute(value: Any) -> Any:
    """Return a datetime as every page of perfops shows it; anything else as it is."""
    return pages.minute(value) if isinstance(value, datetime) else value


@register.inclusion_tag("perfops/_navigation.html", takes_context=True)
def performance_navigation(
    context: RequestContext, theme: str = "", heading: str = ""
) -> dict[str, Any]:
    """The pages of perfops that the user may see; nothing for who may see none.

    ``theme``: an app that has no block above the title: nothing unless it is installed.
    ``heading``: the title, where the theme shows another one.
    """
    if theme and not apps.is_installed(theme):
        return {}
    request = _request(context)
    return {
        "heading": heading,
        "pages": overview.navigation(request),
        "search_url": reverse("admin:perfops_search"),
        "term": context.get("term", ""),
    }


@register.inclusion_tag("perfops/_cost.html")
def performance_cost() -> dict[str, Any]:
    """What the page itself has cost until here; nothing where origins are not counted."""
    return {"cost": scope.cost_so_far() if conf().ORIGINS else None}


@register.inclusion_tag("perfops/_overview.html", takes_context=True)
def performance_overview(context: RequestContext) -> dict[str, Any]:
    """Fine or not, and why; nothing for who may not see all that it sums up."""
    request = _request(context)
    page = overview.build(request)
    pages = [] if page else overview.navigation(request)
    return {"page": page, "pages": pages, "spark": overview.SPARK}


def _request(context: RequestContext) -> HttpRequest:
    request: HttpRequest = context["request"]
    return request
