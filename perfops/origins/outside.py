"""What the stack tells where no line of the project is on it: template, view, middleware, relation.

Looked at once for each statement of a scope, never for each call.
"""

import inspect
from collections.abc import Callable
from functools import cache, lru_cache
from types import CodeType, FrameType
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.handlers import exception
from django.db.models import Model
from django.db.models.fields.related_descriptors import (
    ForwardManyToOneDescriptor,
    ReverseOneToOneDescriptor,
)
from django.http import HttpRequest
from django.template.base import Node

from perfops.origins.callers import BORDER, HELPER, PROJECT, SENDS, kind_of, place_of
from perfops.origins.counts import NOWHERE, Site

_LONGEST = 200
_OF_USERS = frozenset({"django.contrib.auth", "django.contrib.auth.backends"})
_PLACES = 4096
_relations: dict[tuple[str, int, int], tuple[CodeType, str]] = {}
_RENDERS: CodeType = Node.render_annotated.__code__


def template_of(frame: FrameType | None, *, until: FrameType | None = None) -> Site:
    """Return the line of the project's own template that asks, the innermost one.

    ``until``: the line of the project that is known; only a template nearer than it asks.
    """
    while frame is not None and frame is not until and kind_of(frame.f_code.co_filename) != BORDER:
        if frame.f_code is _RENDERS:
            node = frame.f_locals.get("self")
            name = str(getattr(getattr(node, "origin", None), "name", ""))
            line = getattr(getattr(node, "token", None), "lineno", None)
            if line and kind_of(name) in {PROJECT, HELPER}:
                return Site(place_of(name, line), "template")
        frame = frame.f_back
    return NOWHERE


def view_of(request: HttpRequest) -> Site:
    """Return the view of ``request``: its place where it is the project's, and its dotted name."""
    match = request.resolver_match
    return _view(match.func) if match else NOWHERE


@lru_cache(maxsize=1024)
def _view(function: Callable[..., Any]) -> Site:
    # Django's and ninja's names, DRF's, and that of the admin's pages.
    target = getattr(function, "view_class", None) or getattr(function, "cls", None)
    if target is None and (admin := getattr(function, "model_admin", None)) is not None:
        target = type(admin)
    target = target or inspect.unwrap(function)
    name = f"{target.__module__}.{getattr(target, '__qualname__', type(target).__name__)}"
    try:
        file = inspect.getsourcefile(target) or ""
        if kind_of(file) in {PROJECT, HELPER}:
            line = inspect.getsourcelines(target)[1]
            return Site(place_of(file, line), name[:_LONGEST])
    except (OSError, TypeError):
        # A callable without a source: a partial, or what was made by C.
        pass
    return Site("", name[:_LONGEST])


def middleware_of(frame: FrameType | None) -> Site:
    """Return the library's middleware that asks, and whether for the session or the user.

    ``NOWHERE`` where a view asks, or nothing of this is on the stack.
    """
    what, inner = "", None
    while frame is not None and kind_of(frame.f_code.co_filename) != BORDER:
        what = what or _part_of_request(str(frame.f_globals.get("__name__", "")))
        inner, frame = frame, frame.f_back
    # Django calls middlewares there, and views elsewhere.
    if frame is not None and frame.f_code.co_filename != exception.__file__:
        return NOWHERE
    read_by = _middleware(inner) if frame is not None and inner is not None else ""
    return Site("", ", read by ".join(filter(None, (what, read_by)))[:_LONGEST])


def _part_of_request(module: str) -> str:
    if module == settings.SESSION_ENGINE or module.startswith("django.contrib.sessions.backends."):
        return "request.session"
    return (
        "request.user" if module in {"django.contrib.auth", "django.contrib.auth.backends"} else ""
    )


def _middleware(frame: FrameType) -> str:
    """Return the dotted name of the class, or else the function, that is called as a middleware."""
    module, name = str(frame.f_globals.get("__name__", "")), frame.f_code.co_qualname
    if frame.f_code.co_name == "__call__" and "self" in frame.f_locals:
        kind = type(frame.f_locals["self"])
        module, name = kind.__module__, kind.__qualname__
    return f"{module}.{name.partition('.<locals>')[0]}"


def relation_at(text: str, line: FrameType | None, frame: FrameType) -> str:
    """Return ``relation_of``; for a line of the project it is looked for once in a process."""
    if line is None:
        return relation_of(frame)
    key = (text, id(line.f_code), line.f_lasti)
    found = _relations.get(key)
    if found is None:
        if len(_relations) >= _PLACES:
            _relations.clear()
        # With the code, so that its identity is not given to another.
        found = _relations[key] = (line.f_code, relation_of(frame))
    return found[1]


def relation_of(frame: FrameType | None) -> str:
    """Return the relation (app.Model.name) whose rows are read because an attribute was asked for.

    Between the statement and the first line of the project; "" where there is none.
    """
    codes = _descriptors()
    while frame is not None and frame.f_code is not SENDS:
        frame = frame.f_back
    while frame is not None:
        read = codes.get(frame.f_code)
        if read is not None:
            return read(frame.f_locals["self"])[:_LONGEST]
        if kind_of(frame.f_code.co_filename) in {PROJECT, BORDER}:
            break
        frame = frame.f_back
    return ""


@cache
def _descriptors() -> dict[CodeType, Callable[[Any], str]]:
    def of_field(descriptor: Any) -> str:
        return _named(descriptor.field.model, descriptor.field.name)

    def of_reverse(descriptor: Any) -> str:
        return _named(descriptor.related.model, descriptor.related.get_accessor_name())

    found: dict[CodeType, Callable[[Any], str]] = {
        ForwardManyToOneDescriptor.__get__.__code__: of_field,
        ReverseOneToOneDescriptor.__get__.__code__: of_reverse,
    }
    if apps.is_installed("django.contrib.contenttypes"):
        from django.contrib.contenttypes.fields import GenericForeignKey

        def of_generic(field: Any) -> str:
            return _named(field.model, field.name)

        get: Any = getattr(GenericForeignKey, "__get__", None)
        if hasattr(get, "__code__"):
            found[get.__code__] = of_generic
    return found


def _named(model: type[Model], name: str) -> str:
    return f"{model._meta.label}.{name}"
