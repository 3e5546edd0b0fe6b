"""How far back a page looks: a period of the list, or a free one in the address."""

import re
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from perfops.analysis import queries
from perfops.conf import conf

NAMED = {
    "hour": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
    "year": timedelta(days=365),
}
# Of a free one, in HTML and here.
PATTERN = "[1-9][0-9]{0,4}[hd]"
_UNITS = {"h": ("hours", timedelta(hours=1)), "d": ("days", timedelta(days=1))}


def parse(text: str) -> timedelta | None:
    """Return the period that ``text`` is, such as "week", "36h" or "10d"; None: it is none.

    Counts are kept for ``PERFOPS["KEEP_ORIGIN_DAYS"]``: what is longer is none.
    """
    if text in NAMED:
        return NAMED[text]
    if not re.fullmatch(PATTERN, text):
        return None
    found = int(text[:-1]) * _UNITS[text[-1]][1]
    return found if found.days <= conf().KEEP_ORIGIN_DAYS else None


def since(request: HttpRequest, default: str = "day") -> datetime:
    """Return where the window that was asked for begins; that of ``default`` for what is none."""
    window = parse(request.GET.get("window") or default) or NAMED[default]
    return queries.begin(window / timedelta(days=1))


def chosen(request: HttpRequest, default: str = "day") -> dict[str, Any]:
    """Return what ``perfops/_free_window.html`` shows: the window, and what was none."""
    asked = request.GET.get("window") or default
    is_one = parse(asked) is not None
    return {
        "window": asked if is_one else default,
        "no_window": "" if is_one else asked,
        "since": since(request, default),
        "pattern": PATTERN,
        "longest": f"{conf().KEEP_ORIGIN_DAYS}d",
    }


def said(name: str) -> str:
    """Return "last week" for "week", "last 36 hours" for "36h"."""
    if name in NAMED and name[0].isalpha():
        return f"last {name}"
    return f"last {name[:-1]} {_UNITS[name[-1]][0]}"


class WindowFilter(admin.SimpleListFilter):
    """How far back to look; a day unless asked otherwise."""

    title = "window"
    parameter_name = "window"
    template = "perfops/_window_filter.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        self.free = chosen(request)
        self.others = [
            (name, value)
            for name, values in request.GET.lists()
            for value in values
            if name not in {self.parameter_name, "p"}
        ]
        return [(name, said(name)) for name in NAMED]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset

    def choices(self, changelist: Any) -> Any:
        """Yield those with a name, and the free one that was asked for."""
        now = self.free["window"]
        for name in [*NAMED, *([] if now in NAMED else [now])]:
            yield {
                "selected": name == now,
                "query_string": changelist.get_query_string({self.parameter_name: name}),
                "display": said(name),
            }
