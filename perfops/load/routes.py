"""What a project's load asks for: ``routes.json``, filled in from its rows or made of its URLs."""

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, FieldError
from django.db.models import Model
from django.urls import get_resolver

from perfops.origins.middleware import template

# More different paths of one route say nothing more.
_MOST_ROWS = 500
_LONGEST_NAME = 200
# What a row fills in.
FIELD = re.compile(r"\{(\w+)\}")
# k6 writes names into CSV.
_NEVER_IN_A_NAME = frozenset(',"\r\n')

Share = Annotated[float, msgspec.Meta(gt=0)]
Status = Annotated[int, msgspec.Meta(ge=100, le=599)]
Fields = dict[str, str | int | float | bool | None]


class UnusableRoutes(ValueError):
    """``routes.json`` can't be used; the message says why."""


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How large its share of the requests is, and its paths; without ``paths`` its name is one.

    ``model``: "app.Model" whose rows (those that ``where`` lets pass, newest first) fill in the
    ``{field}`` of a path. ``statuses``: those that are as expected; without them 200 to 299.
    """

    share: Share = 1.0
    paths: tuple[str, ...] = ()
    model: str = ""
    where: Fields = {}
    statuses: tuple[Status, ...] = ()


class Listed(msgspec.Struct, frozen=True):
    """A route with every path written out, as the script takes it."""

    name: str
    share: float
    paths: tuple[str, ...]
    statuses: tuple[int, ...] = ()


def read(file: Path) -> dict[str, Route]:
    """Return the routes of ``file`` by name. Raises ``UnusableRoutes``."""
    try:
        found = msgspec.json.decode(file.read_bytes(), type=dict[str, Share | Route])
    except (OSError, msgspec.DecodeError) as error:
        raise UnusableRoutes(f"{file} is not a list of routes: {error}") from error
    for name in found:
        if len(name) > _LONGEST_NAME or not _NEVER_IN_A_NAME.isdisjoint(name):
            raise UnusableRoutes(
                f"{file}: {name!r} is no name for a route: no comma, no quote, and "
                f"{_LONGEST_NAME} characters at most. Its paths may have them."
            )
    if not found:
        raise UnusableRoutes(f"{file} has no route.")
    return {
        name: each if isinstance(each, Route) else Route(share=each) for name, each in found.items()
    }


def filled(routes: dict[str, Route]) -> list[Listed]:
    """Return the routes with every path written out; reads rows. Raises ``UnusableRoutes``."""
    return [
        Listed(name, route.share, _paths(name, route), route.statuses)
        for name, route in routes.items()
    ]


@contextmanager
def ready(file: Path | None) -> Iterator[str]:
    """Yield where the script finds what to ask for, for as long as the block lasts.

    Raises ``UnusableRoutes``.
    """
    if file is None or file.suffix != ".json":
        yield str(file or "")
        return
    with tempfile.NamedTemporaryFile(suffix=".json") as made:
        made.write(msgspec.json.encode(filled(read(file))))
        made.flush()
        yield made.name


def _paths(name: str, route: Route) -> tuple[str, ...]:
    templates = route.paths or (name,)
    found = [path for template in templates for path in _written(name, route, template)]
    for path in found:
        if not path.startswith("/"):
            raise UnusableRoutes(f"{path!r} of {name} is no path: it must begin with a slash.")
    return tuple(found)


def _written(name: str, route: Route, template: str) -> list[str]:
    fields = list(dict.fromkeys(FIELD.findall(template)))
    if not fields:
        return [template]
    if not route.model:
        raise UnusableRoutes(
            f"{template} has {{{fields[0]}}} to be filled in: give {name} a model whose rows do, "
            "or write its paths out."
        )
    rows = [row for row in _rows(name, route, fields) if None not in row]
    if not rows:
        raise UnusableRoutes(f"{route.model} has no rows that fill in {template}.")
    return [_fill(template, dict(zip(fields, row, strict=True))) for row in rows]


def _fill(template: str, row: dict[str, Any]) -> str:
    return FIELD.sub(lambda field: quote(str(row[field[1]])), template)


def _rows(name: str, route: Route, fields: list[str]) -> list[tuple[Any, ...]]:
    try:
        rows = apps.get_model(route.model)._default_manager.filter(**route.where).order_by("-pk")
        return list(rows.values_list(*fields)[:_MOST_ROWS])
    except (LookupError, ValueError, FieldError) as error:
        raise UnusableRoutes(f"{name} can't be filled in from {route.model}: {error}") from error


_NOT_THEIRS = "admin"
# Monitoring, and what signs people in or out: no load may ask for them unasked.
_LEFT_OUT = re.compile(
    r"(^|[/_.-])(metrics|auth|tokens?|log-?in|log-?out|sign-?in|sign-?out|passwords?|oauth2?|jwt)"
    r"($|[/_.-])"
)
View = Callable[..., Any]


def discovered() -> dict[str, Any]:
    """Return what can be asked for by GET, as far as it is known, under the names of origins.

    The admin, metrics and whatever signs people in or out are left out. Where nobody knows what
    fills a ``{field}``, ``paths`` are left empty for the project to write.
    """
    # Here, for it brings docutils into the process.
    from django.contrib.admindocs.views import extract_views_from_urlpatterns

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
    given: dict[str, Any] = getattr(view, "view_initkwargs", {})
    return given.get(name, getattr(getattr(view, "view_class", None), name, None))


def _is_field(name: str, model: type[Model]) -> bool:
    try:
        return name == "pk" or bool(model._meta.get_field(name))
    except FieldDoesNotExist:
        return False
