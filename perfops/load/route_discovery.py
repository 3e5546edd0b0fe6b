"""The project's own URLs, as a ``routes.json`` to begin with."""

import re
from collections.abc import Callable
from typing import Any

from django.contrib.admindocs.views import extract_views_from_urlpatterns
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model
from django.urls import get_resolver

from perfops.load.routes import FIELD
from perfops.origins.middleware import template

_NOT_THEIRS = "admin"
# Monitoring, and what signs people in or out: no load may ask for them unasked.
_LEFT_OUT = re.compile(
    r"(^|[/_.-])(metrics|auth|tokens?|log-?in|log-?out|sign-?in|sign-?out|passwords?|oauth2?|jwt)"
    r"($|[/_.-])"
)
View = Callable[..., Any]


def routes() -> dict[str, Any]:
    """Return what can be asked for by GET, as far as it is known, under the names of origins.

    The admin, metrics and whatever signs people in or out are left out. Where nobody knows what
    fills a ``{field}``, ``paths`` are left empty for the project to write.
    """
    found: dict[str, Any] = {}
    for view, route, namespaces, _ in extract_views_from_urlpatterns(get_resolver().url_patterns):
        if _NOT_THEIRS not in (namespaces or ()) and _answers(view):
            path = template(route)
            if not _LEFT_OUT.search(path.lower()):
                found.setdefault(path, _entry(path, view))
    return found


def _answers(view: View) -> bool:
    kind = getattr(view, "view_class", None)
    return kind is None or (hasattr(kind, "get") and "get" in _option(view, "http_method_names"))


def _entry(path: str, view: View) -> Any:
    fields = FIELD.findall(path)
    if not fields:
        return 1
    model = _model(view)
    if model is not None and all(_is_field(name, model) for name in fields):
        return {"share": 1, "model": model._meta.label}
    return {"share": 1, "paths": []}


def _model(view: View) -> type[Model] | None:
    """Return what a generic view shows."""
    return _option(view, "model") or getattr(_option(view, "queryset"), "model", None)


def _option(view: View, name: str) -> Any:
    """Return what a class-based view has by this name, as ``as_view`` was told or by itself."""
    told: dict[str, Any] = getattr(view, "view_initkwargs", {})
    return told.get(name, getattr(getattr(view, "view_class", None), name, None))


def _is_field(name: str, model: type[Model]) -> bool:
    try:
        return name == "pk" or bool(model._meta.get_field(name))
    except FieldDoesNotExist:
        return False
