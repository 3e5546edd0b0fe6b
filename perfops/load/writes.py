"""What a scenario may write: POSTs whose rows are recognised by their text, and removed after it.

A project's OpenAPI document says what its API takes, a ``CreateView`` what its form does, a view of
Django REST framework what its serializer does.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.apps import apps
from django.contrib.admindocs.views import extract_views_from_urlpatterns
from django.core.exceptions import FieldDoesNotExist
from django.db.models import CharField, Model, TextField
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone
from django.views.generic.edit import CreateView

from perfops.load import rest_writes
from perfops.load.routes import FORMAT, LEFT_OUT
from perfops.origins.middleware import template

# The script puts the run's own text in its place: perfops-load-RUN-NUMBER-TIME.
MARK = "{mark}"
PREFIX = "perfops-load-"
_LONGEST_MARK = 40
_SAMPLE = f"{PREFIX}123456-1234567-m1abcdef"
_OPENAPI = re.compile(r"(^|/)openapi\.json$|(^|/)schema/?$")
_FORM_STATUSES = [302]


@dataclass(frozen=True, slots=True)
class Writes:
    """``routes`` as ``routes.json`` has them; ``left_out``: why others are not among them."""

    routes: dict[str, Any] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


class _Unknown(ValueError):
    """Nobody knows what to send, or how to find it again; the message says why."""


def discovered() -> Writes:
    """Return the POSTs of the project whose rows can be made and recognised afterwards."""
    found = Writes()
    views = list(_views())
    for path, view in views:
        kind = getattr(view, "view_class", None)
        if kind is not None and issubclass(kind, CreateView) and _may_be_asked(path):
            _add(found, path, lambda view=view: _of_form(view))  # type: ignore[misc]
        if hasattr(view, "cls") and _may_be_asked(path) and not FORMAT.search(path):
            _add_of_rest(found, path, view)
    document = next(filter(None, (_document(path) for path, _ in views)), None) or {}
    for path, item in document.get("paths", {}).items():
        if "post" in item and _may_be_asked(path) and f"POST {path}" not in found.routes:
            _add(found, path, lambda path=path, item=item: _of_api(document, path, item["post"]))  # type: ignore[misc]
    return found


def mark_of(run_id: int) -> str:
    """Return what begins the text of all that the run ``run_id`` writes."""
    return f"{PREFIX}{run_id}-"


def rows_of(made: str, mark: str) -> Any:
    """Return the rows whose field ``made`` ("app.Model.field") begins with ``mark``."""
    label, _, name = made.rpartition(".")
    return apps.get_model(label)._base_manager.filter(**{f"{name}__startswith": mark})


def _add(found: Writes, path: str, make: Callable[[], dict[str, Any]]) -> None:
    name = f"POST {path}"
    if "{" in path:
        found.left_out.append(f"{name}: it belongs to another row")
        return
    try:
        found.routes[name] = {"share": 1, "paths": [path], "method": "POST", **make()}
    except Exception as error:  # a form of the project may raise anything
        found.left_out.append(f"{name}: {error}")


def _add_of_rest(found: Writes, path: str, view: Any) -> None:
    try:
        serializer = rest_writes.serializer(view, path)
    except Exception as error:  # a view of the project may raise anything
        found.left_out.append(f"POST {path}: {error}")
        return
    if serializer is not None:
        _add(found, path, lambda: _of_serializer(serializer))


def _of_serializer(serializer: Any) -> dict[str, Any]:
    model = serializer.Meta.model
    body: dict[str, Any] = {}
    marked = ""
    fields = rest_writes.written(serializer)
    for name, each in sorted(fields.items(), key=lambda item: not item[1].required):
        text = rest_writes.text_of(each, MARK, _SAMPLE)
        is_found = bool(text and text.startswith(MARK)) and _takes_mark(
            model, each.source, _length(each)
        )
        if text and (each.required or (is_found and not marked)):
            # All that are required: one of them may have to be unique.
            body[name] = text
            marked = marked or (each.source if is_found else "")
        elif each.required:
            body[name] = rest_writes.value_of(name, each)
    return {"body": body, "made": _made(model, marked), "statuses": [201]}


def _may_be_asked(path: str) -> bool:
    return not LEFT_OUT.search(path.lower())


def _views() -> Iterator[tuple[str, Any]]:
    for view, route, namespaces, _ in extract_views_from_urlpatterns(get_resolver().url_patterns):
        if "admin" not in (namespaces or ()):
            yield template(route), view


# Forms


def _of_form(view: Any) -> dict[str, Any]:
    made: Any = view.view_class(**getattr(view, "view_initkwargs", {}))
    made.object = None
    kind = made.get_form_class()
    model = kind._meta.model
    body: dict[str, Any] = {}
    marked = ""
    for name, each in kind().fields.items():
        if not marked and _takes_mark(model, name, _length(each)) and type(each.widget) in _TEXTS:
            body[name], marked = MARK, name
        elif each.required:
            body[name] = _of_field(each)
    return {"body": body, "form": True, "made": _made(model, marked), "statuses": _FORM_STATUSES}


_TEXTS = (forms.TextInput, forms.Textarea)


def _length(each: Any) -> int | None:
    return getattr(each, "max_length", None)


def _of_field(each: forms.Field) -> Any:
    if isinstance(each, forms.ModelChoiceField):
        row = each.queryset.order_by("-pk").first() if each.queryset is not None else None
        if row is None:
            raise _Unknown("there is no row to refer to")
        return row.pk
    if isinstance(each, forms.ChoiceField):
        choices: Any = each.choices
        return next(str(value) for value, _ in choices if value)
    if isinstance(each, forms.BooleanField):
        return "on"
    if isinstance(each, forms.IntegerField):  # floats and decimals as well
        return each.min_value if each.min_value is not None else 1
    if isinstance(each, forms.EmailField):
        return "load@example.invalid"
    if isinstance(each, forms.DateTimeField):
        return f"{timezone.localdate():%Y-%m-%d} 12:00"
    if isinstance(each, forms.DateField):
        return f"{timezone.localdate():%Y-%m-%d}"
    if type(each) in {forms.CharField, forms.SlugField}:
        return "load"[: _length(each)]
    raise _Unknown(f"nobody knows what a {type(each).__name__} takes")


# APIs


def _document(path: str) -> dict[str, Any] | None:
    """Return the OpenAPI document at ``path``, asked for in this process; None where it is none."""
    if not _OPENAPI.search(path):
        return None
    client = Client(raise_request_exception=False, SERVER_NAME="localhost")
    answer = client.get(path, headers={"accept": "application/json"})
    if answer.status_code != 200 or "json" not in answer.headers.get("Content-Type", ""):
        return None
    found = answer.json()
    return found if isinstance(found, dict) and "openapi" in found else None


def _of_api(document: dict[str, Any], path: str, operation: dict[str, Any]) -> dict[str, Any]:
    taken = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if taken is None:
        raise _Unknown("it takes no JSON")
    model = _named(path)
    if model is None:
        raise _Unknown("nobody knows the model of what it makes")
    schema = _whole(document, taken["schema"])
    properties, required = schema.get("properties", {}), schema.get("required", [])
    body: dict[str, Any] = {}
    marked = ""
    for name in [*required, *(each for each in properties if each not in required)]:
        each = _whole(document, properties[name])
        is_text = each.get("type") == "string" and not {"enum", "format", "const"} & set(each)
        fits = re.search(each.get("pattern", ""), _SAMPLE) is not None
        if is_text and fits and _takes_mark(model, name, each.get("maxLength")):
            if name in required or not marked:
                # All that are required: one of them may have to be unique.
                body[name], marked = MARK, marked or name
        elif name in required:
            body[name] = _of_schema(document, name, each)
    return {"body": body, "made": _made(model, marked), "statuses": _statuses(operation)}


def _statuses(operation: dict[str, Any]) -> list[int]:
    return [int(code) for code in map(str, operation.get("responses", {})) if code[:1] == "2"]


def _named(path: str) -> type[Model] | None:
    """Return the model that the last word of ``path`` is the plural of; the project's own first."""
    word = re.sub(r"[^a-z0-9]", "", path.rstrip("/").rpartition("/")[2].lower())
    models = sorted(apps.get_models(), key=lambda each: each.__module__.startswith("django."))
    for model in models:
        plurals = (str(model._meta.verbose_name_plural), f"{model._meta.model_name}s")
        if word in {re.sub(r"[^a-z0-9]", "", each.lower()) for each in plurals}:
            return model
    return None


def _whole(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return ``schema`` with what it refers to; of several kinds the first that is not null."""
    if "$ref" in schema:
        target: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return _whole(document, target)
    for several in ("anyOf", "oneOf"):
        kinds = [each for each in schema.get(several, []) if each.get("type") != "null"]
        if kinds:
            return _whole(document, kinds[0])
    merged = dict(schema)
    for part in schema.get("allOf", []):
        merged.update(_whole(document, part))
    return merged


_OF_FORMATS: dict[str, Callable[[], str]] = {
    "date": lambda: f"{timezone.localdate():%Y-%m-%d}",
    "date-time": lambda: f"{timezone.localdate():%Y-%m-%d}T12:00:00Z",
    "email": lambda: "load@example.invalid",
    "uri": lambda: "https://example.invalid/",
}


def _of_schema(document: dict[str, Any], name: str, schema: dict[str, Any]) -> Any:
    kind = schema.get("type")
    if "const" in schema or schema.get("enum"):
        return schema.get("const", next(iter(schema.get("enum", [])), None))
    if kind == "string" and schema.get("format") in _OF_FORMATS:
        return _OF_FORMATS[schema["format"]]()
    if kind == "string" and "format" not in schema and "pattern" not in schema:
        return ("load" * (1 + schema.get("minLength", 4) // 4))[: schema.get("maxLength")]
    if kind in {"integer", "number"}:
        return schema.get("minimum", 1)
    if kind == "boolean":
        return False
    if kind == "array" and not schema.get("minItems"):
        return []
    if kind == "object":
        properties = schema.get("properties", {})
        return {
            each: _of_schema(document, each, _whole(document, properties[each]))
            for each in schema.get("required", [])
        }
    raise _Unknown(f"nobody knows what it takes as {name}")


# What is written


def _takes_mark(model: type[Model], name: str, length: int | None) -> bool:
    """Say whether rows of ``model`` can be found by a text in the field ``name``."""
    try:
        column = model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    if not isinstance(column, CharField | TextField) or column.choices:
        return False
    lengths: Iterable[int | None] = (length, getattr(column, "max_length", None))
    return all(each is None or each >= _LONGEST_MARK for each in lengths)


def _made(model: type[Model], marked: str) -> str:
    if not marked:
        raise _Unknown("it makes rows that have no text to recognise them by")
    return f"{model._meta.label}.{marked}"
