"""The relation that a repeated statement follows, and what to write so that it is read at once."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module

from django.apps import apps
from django.db.models import ForeignKey, ManyToManyField, Model

# SELECT ... FROM "line" WHERE "line"."order_id" = %s, as Django writes what a manager asks.
_READS = re.compile(
    r'\bFROM "\w+"( INNER JOIN "\w+" ON \([^()]*\))? WHERE \(?"(\w+)"\."(\w+)" = %s'
)
_COUNTS, _EXISTS = re.compile(r"^SELECT COUNT\("), re.compile(r"^SELECT 1 AS ")


@dataclass(frozen=True, slots=True)
class Relation:
    """``name`` of ``model`` (app.Model) leads to other rows; ``is_single``: to one at most.

    ``query_name``: what it is called in a query, where that is another word.
    """

    model: str
    name: str
    is_single: bool
    query_name: str = ""

    def remedy(self, text: str, view: str) -> str:
        """Return what to write for the statement ``text``; ``view``: dotted name of the view."""
        if _COUNTS.match(text):
            counted = self.query_name or self.name
            return (
                f"Count them with the rows: annotate(Count({counted!r})) on the queryset of "
                f"{self.model}, or len() after prefetch_related({self.name!r})."
            )
        if _EXISTS.match(text):
            return (
                f"Ask once: prefetch_related({self.name!r}) or annotate(Exists(...)) on the "
                f"queryset of {self.model}."
            )
        verb = "select_related" if self.is_single else "prefetch_related"
        on = f"{verb}({self.name!r}) on the queryset that reads {self.model}"
        if self.is_single and _is_admin(view):
            return f"list_select_related = [{self.name!r}] in {view}; elsewhere {on}."
        if _is_admin(view):
            more = f"super().get_queryset(request).{verb}({self.name!r})"
            return f"Let get_queryset() of {view} return {more}."
        return f"Read all rows at once: {on}."

    def __str__(self) -> str:
        return f"{self.model}.{self.name}"


def relation_of(followed: str, text: str) -> Relation | None:
    """Return the relation ``followed`` (app.Model.name, seen on the stack), else that of ``text``.

    None where there is none, or not of a model of the project.
    """
    return _named(followed) if followed else _asked(text)


def _named(followed: str) -> Relation | None:
    label, _, name = followed.rpartition(".")
    try:
        model = apps.get_model(label)
    except (LookupError, ValueError):
        return None
    for field in model._meta.get_fields(include_hidden=True):
        accessor = getattr(field, "get_accessor_name", None)
        if name in {field.name, accessor() if accessor else ""}:
            is_many = bool(field.one_to_many or field.many_to_many)
            # A generic foreign key leads to any model: no join reads it.
            return Relation(label, name, is_single=not is_many and field.related_model is not None)
    return None


def _asked(text: str) -> Relation | None:
    found = _READS.search(text)
    if found is None:
        return None
    joined, table, column = found.groups()
    for model in _models(table):
        keys = (field for field in model._meta.local_fields if field.column == column)
        field = next(keys, None)
        if not isinstance(field, ForeignKey):
            continue
        other = field.related_model
        if not (isinstance(other, type) and issubclass(other, Model)):
            continue
        if joined or model._meta.auto_created:
            return _many_to_many(model, other)
        accessor = field.remote_field.get_accessor_name()
        if accessor:
            query_name = field.related_query_name()
            return Relation(other._meta.label, accessor, is_single=False, query_name=query_name)
    return None


def _many_to_many(through: type[Model], owner: type[Model]) -> Relation | None:
    for model in apps.get_models():
        for field in model._meta.local_many_to_many:
            if not isinstance(field, ManyToManyField) or field.remote_field.through is not through:
                continue
            if model is owner:
                return Relation(owner._meta.label, field.name, is_single=False)
            accessor = field.remote_field.get_accessor_name()
            return Relation(owner._meta.label, accessor, is_single=False) if accessor else None
    return None


def _models(table: str) -> Iterator[type[Model]]:
    for model in apps.get_models(include_auto_created=True):
        if model._meta.db_table == table and not model._meta.proxy:
            yield model


def _is_admin(view: str) -> bool:
    """Say whether the class of this name is a ``ModelAdmin``."""
    if not apps.is_installed("django.contrib.admin") or "." not in view:
        return False
    from django.contrib.admin import ModelAdmin

    module, _, name = view.rpartition(".")
    try:
        found = getattr(import_module(module), name, None)
    except ImportError:
        return False
    return isinstance(found, type) and issubclass(found, ModelAdmin)
