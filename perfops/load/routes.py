"""What a project's load asks for: read from ``routes.json``, filled in from its own rows."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from django.apps import apps
from django.core.exceptions import FieldError

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
