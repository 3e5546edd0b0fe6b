"""What a project adds to the overview: panels about its cache, its workers and the like.

``PERFOPS["OVERVIEW_PANELS"]`` and the entry points ``perfops.overview_panels`` name functions of
the request (None for ``manage.py perfops``) that return dicts: title, kind (good, warning, bad,
odd), text, facts (pairs of name and value), url ("" for none).
"""

import logging
from typing import Any

from django.http import HttpRequest

from perfops import plugins

log = logging.getLogger(__name__)
Panel = dict[str, Any]
_KINDS = frozenset({"good", "warning", "bad", "odd"})


def _wrong(value: Any) -> str:
    return "" if callable(value) else "it is no function of a request"


PANELS = plugins.Group("perfops.overview_panels", "OVERVIEW_PANELS", _wrong)


def collect(request: HttpRequest | None = None) -> tuple[Panel, ...]:
    """Return all panels. A function that raises, or returns something else, costs itself."""
    found: list[Panel] = []
    for plugin in plugins.plugins(PANELS):
        if plugin.fault:
            continue
        try:
            found += [_checked(each) for each in plugin.value(request)]
        except Exception as error:
            log.exception("the panels of %s can't be shown", plugin.name)
            fault = f"{plugin.name} raised {type(error).__name__}; the log says more."
            found.append(
                {
                    "title": "Not known", "kind": "odd", "text": "failed", "url": "",
                    "facts": [("Fault", fault)],
                }
            )  # fmt: skip
    return tuple(found)


def _checked(panel: Panel) -> Panel:
    if panel["kind"] not in _KINDS:
        raise ValueError(f"{panel['kind']!r} is no kind of a panel")
    return {"facts": [], "url": "", **panel, "title": str(panel["title"]), "text": panel["text"]}
