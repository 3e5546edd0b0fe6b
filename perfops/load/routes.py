"""What a project's load asks for: ``routes.json``, filled in from its rows or made of its URLs."""

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

import msgspec
from django.apps import apps
from django.contrib.admindocs.views import extract_views_from_urlpatterns
from django.core.exceptions import FieldDoesNotExist, FieldError
from django.db import DatabaseError
from django.db.models import Model
from django.urls import get_resolver

from perfops.models.origins import QueryTemplate
from perfops.origins.middleware import template

# More different paths of one route say little more.
USUAL_ROWS = 500
_ORDERS = {"newest": "-pk", "oldest": "pk", "random": "?"}
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
    A POST has a ``body`` (JSON, or a ``form``'s fields), in which the run's own text stands for
    "{mark}"; ``made``: "app.Model.field" whose rows begin with it, and are removed after the run.
    """

    share: Share = 1.0
    paths: tuple[str, ...] = ()
    model: str = ""
    where: Fields = {}
    statuses: tuple[Status, ...] = ()
    method: Literal["GET", "POST"] = "GET"
    body: dict[str, Any] = {}
    form: bool = False
    made: str = ""


class Rows(msgspec.Struct, frozen=True):
    """How many different rows fill in a path, and which: the newest, the oldest or random ones."""

    number: int = USUAL_ROWS
    data_set: str = "newest"


class Listed(msgspec.Struct, frozen=True):
    """A route with every path written out, as the script takes it."""

    name: str
    share: float
    paths: tuple[str, ...]
    statuses: tuple[int, ...] = ()
    method: str = "GET"
    body: dict[str, Any] = {}
    form: bool = False


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
    return _whole(found)


def of_urls() -> tuple[dict[str, Route], dict[str, list[str]]]:
    """Return the routes of the project's URLs, and those of unknown fields."""
    found = discovered()
    return _whole(msgspec.convert(found.routes, dict[str, Share | Route])), found.unfilled


def _whole(found: Mapping[str, float | Route]) -> dict[str, Route]:
    return {
        name: each if isinstance(each, Route) else Route(share=each) for name, each in found.items()
    }


def filled(routes: dict[str, Route], which: Rows = Rows()) -> list[Listed]:  # noqa: B008 -- frozen
    """Return the routes with every path written out; reads rows. Raises ``UnusableRoutes``."""
    return [
        Listed(
            name, route.share, _paths(name, route, which), route.statuses, route.method, route.body,
            route.form,
        )
        for name, route in routes.items()
    ]  # fmt: skip


@contextmanager
def ready(
    file: Path | None, mix: Mapping[str, float] | None = None, which: Rows = Rows(),  # noqa: B008 -- frozen
) -> Iterator[str]:  # fmt: skip
    """Yield where the script finds what to ask for, for as long as the block lasts.

    ``mix``: shares by route, those alone; without it as the file says. Raises ``UnusableRoutes``.
    """
    if file is None or file.suffix != ".json":
        yield str(file or "")
        return
    with tempfile.NamedTemporaryFile(suffix=".json") as made:
        found = read(file)
        if mix:
            found = {
                name: msgspec.structs.replace(route, share=mix[name])
                for name, route in found.items() if name in mix
            }  # fmt: skip
        made.write(msgspec.json.encode(filled(found, which)))
        made.flush()
        yield made.name


def _paths(name: str, route: Route, which: Rows) -> tuple[str, ...]:
    templates = route.paths or (name,)
    found = [path for template in templates for path in _written(name, route, template, which)]
    for path in found:
        if not path.startswith("/"):
            raise UnusableRoutes(f"{path!r} of {name} is no path: it must begin with a slash.")
    return tuple(found)


def _written(name: str, route: Route, template: str, which: Rows) -> list[str]:
    fields = list(dict.fromkeys(FIELD.findall(template)))
    if not fields:
        return [template]
    if not route.model:
        raise UnusableRoutes(
            f"{template} has {{{fields[0]}}} to be filled in: give {name} a model whose rows do, "
            "or write its paths out."
        )
    rows = [row for row in _rows(name, route, fields, which) if None not in row]
    if not rows:
        raise UnusableRoutes(f"{route.model} has no rows that fill in {template}.")
    return [_fill(template, dict(zip(fields, row, strict=True))) for row in rows]


def _fill(template: str, row: dict[str, Any]) -> str:
    return FIELD.sub(lambda field: quote(str(row[field[1]])), template)


def _rows(name: str, route: Route, fields: list[str], which: Rows) -> list[tuple[Any, ...]]:
    try:
        rows = apps.get_model(route.model)._default_manager.filter(**route.where)
        rows = rows.order_by(_ORDERS[which.data_set])
        return list(rows.values_list(*fields)[: which.number])
    except (LookupError, ValueError, FieldError) as error:
        raise UnusableRoutes(f"{name} can't be filled in from {route.model}: {error}") from error


_NOT_THEIRS = "admin"
# Monitoring, what signs people in or out, and what may take something away: no load may ask for
# them unasked.
LEFT_OUT = re.compile(
    r"(^|[/_.-])(metrics|perfops|auth|tokens?|log-?in|log-?out|sign-?in|sign-?out|passwords?|oauth2?|jwt"
    r"|delete|remove|revoke|unsubscribe|cancel)($|[/_.-])"
)
# Routers of Django REST framework add each path once more, with the format at its end.
FORMAT = re.compile(r"\{format\}/?$")
# A statement that reads one row of a table, as Django writes it.
_ONE_ROW = re.compile(r'\bFROM "(\w+)" (?:.*? )?WHERE \(?"\1"\."(\w+)" = %s')
View = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Found:
    """``routes`` as ``routes.json`` has them; ``unfilled``: what nobody knows the ids of, each with
    the names to be filled in.
    """

    routes: dict[str, Any]
    unfilled: dict[str, list[str]]


def discovered(executions: Mapping[str, int] | None = None) -> Found:
    """Return what can be asked for by GET, as far as it is known, under the names of origins.

    The admin, metrics, and whatever signs people in or out or deletes are left out. ``executions``
    (requests by route, as origins count them): those routes alone, with their shares in percent.
    What fills a ``{field}`` is told by the view's model, else by the row that its requests read.
    """
    routes: dict[str, Any] = {}
    unfilled: dict[str, list[str]] = {}
    seen = {name.removeprefix("GET "): n for name, n in (executions or {}).items()}
    whole = sum(seen.values())
    for view, route, namespaces, _ in extract_views_from_urlpatterns(get_resolver().url_patterns):
        path = template(route)
        if _NOT_THEIRS in (namespaces or ()) or not _answers(view) or path in routes:
            continue
        if FORMAT.search(path) or LEFT_OUT.search(path.lower()):
            continue
        if executions is not None and path not in seen:
            continue
        share = max(0.01, round(100 * seen[path] / whole, 2)) if executions is not None else 1
        entry = _entry(path, view, share)
        if entry is None:
            unfilled.setdefault(path, FIELD.findall(path))
        else:
            routes[path] = entry
    return Found(routes, {path: its for path, its in unfilled.items() if path not in routes})


def _answers(view: View) -> bool:
    actions = getattr(view, "actions", None)
    if isinstance(actions, dict):
        # A view set of Django REST framework: its methods by the router.
        return "get" in actions
    kind = getattr(view, "view_class", None)
    return kind is None or (hasattr(kind, "get") and "get" in _option(view, "http_method_names"))


def _entry(path: str, view: View, share: float) -> Any:
    """Return the route's entry, None where nobody knows what fills its fields."""
    fields = FIELD.findall(path)
    if not fields:
        return share
    model = _model(view)
    if model is not None and all(_is_field(name, model) for name in fields):
        return {"share": share, "model": model._meta.label}
    if len(fields) == 1 and (read := _read_by(f"GET {path}", fields[0])) is not None:
        label, column = read
        return {"share": share, "model": label, "paths": [FIELD.sub(f"{{{column}}}", path)]}
    return None


def _read_by(name: str, field: str) -> tuple[str, str] | None:
    """Return the model and its field by which requests of the route ``name`` read one row."""
    texts = QueryTemplate.objects.filter(origins__kind="request", origins__name=name)
    found = []
    try:
        known = list(texts.order_by("id").distinct().values_list("text", flat=True))
    except DatabaseError:
        # Before the first migration nothing was counted.
        return None
    for text in known:
        read = _ONE_ROW.search(text)
        for model in apps.get_models() if read else ():
            its = {str(each.column): each.name for each in model._meta.local_concrete_fields}
            if read and model._meta.db_table == read[1] and read[2] in its:
                key = "pk" if model._meta.pk.column == read[2] else its[read[2]]
                found.append((model, key))
    # What the path names comes first; whoever is signed in is read by every route.
    named = [each for each in found if str(each[0]._meta.model_name) in name.lower()]
    exact = [each for each in found if each[1] == field]
    ours = [each for each in found if not each[0].__module__.startswith("django.contrib.")]
    best = next(iter([*named, *exact, *ours]), None)
    return (best[0]._meta.label, best[1]) if best else None


def _model(view: View) -> type[Model] | None:
    """Return what a generic view shows, or a view set of Django REST framework."""
    kind = getattr(view, "cls", None)
    shown = getattr(kind, "queryset", None)
    its = getattr(getattr(kind, "serializer_class", None), "Meta", None)
    return (
        _option(view, "model")
        or getattr(_option(view, "queryset"), "model", None)
        or getattr(shown, "model", None)
        or getattr(its, "model", None)
    )


def _option(view: View, name: str) -> Any:
    """Return what a class-based view has by this name, as ``as_view`` was told or by itself."""
    given: dict[str, Any] = getattr(view, "view_initkwargs", {})
    return given.get(name, getattr(getattr(view, "view_class", None), name, None))


def _is_field(name: str, model: type[Model]) -> bool:
    try:
        return name == "pk" or bool(model._meta.get_field(name))
    except FieldDoesNotExist:
        return False
