"""An index as a Django model declares it."""

from typing import Any

from django.apps import apps
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db.models import F, Index, Model, Q
from django.db.models.functions import Lower, Upper

from perfops.database import packages
from perfops.database.index_sql import index_name
from perfops.indexes.records import Candidate, Fixed, Key

# Column to field.
Fields = dict[str, Any]
_FUNCTIONS: dict[str, Any] = {"upper": Upper, "lower": Lower}


class NotDjangos(Exception):
    """There is no model to write the change into; the message says why."""


def model_of(table: str, alias: str) -> type[Model]:
    """Return the model that owns ``table`` in the database ``alias``. Raises ``NotDjangos``."""
    found = [
        model
        for model in packages.models_of(alias)
        if model._meta.db_table == table and model._meta.managed and not model._meta.proxy
    ]
    if not found:
        raise NotDjangos(f"no model of this project has the table {table}")
    package = packages.of_model(found[0])
    if package:
        raise NotDjangos(f"{package} is an installed package: its migrations aren't yours")
    if found[0]._meta.auto_created:
        raise NotDjangos(f"{table} was made by a ManyToManyField: give it a model (through=) first")
    return found[0]


def name_of(candidate: Candidate) -> str:
    """Return the index's name: the same for the same index, no longer than Django allows."""
    keys = [key.column for key in candidate.keys]
    return index_name(candidate.table[1], keys, of=str(candidate))


def index_of(candidate: Candidate, model: type[Model]) -> Index:
    """Return ``candidate`` as ``model`` declares it. Raises ``NotDjangos``."""
    fields: Fields = {str(field.column): field for field in model._meta.local_concrete_fields}
    named = {key.column for key in candidate.keys} | set(candidate.include)
    missing = sorted((named | {each.column for each in candidate.where}) - set(fields))
    if missing:
        raise NotDjangos(f"{model._meta.label} has no field for {', '.join(missing)}")
    options: dict[str, Any] = {"name": name_of(candidate)}
    if candidate.include:
        options["include"] = [fields[name].name for name in candidate.include]
    if candidate.where:
        options["condition"] = _condition(candidate.where, fields)
    kind: Any = GinIndex if candidate.method == "gin" else Index
    has_opclass = any(key.opclass for key in candidate.keys)
    if any(key.function or key.nulls for key in candidate.keys):
        if has_opclass and not apps.is_installed("django.contrib.postgres"):
            raise NotDjangos("django.contrib.postgres is not in INSTALLED_APPS")
        by_expression: Index = kind(
            *(_expression(key, fields) for key in candidate.keys), **options
        )
        return by_expression
    if has_opclass:
        options["opclasses"] = [key.opclass for key in candidate.keys]
    names = [f"{'-' * key.descending}{fields[key.column].name}" for key in candidate.keys]
    found: Index = kind(fields=names, **options)
    return found


def _expression(key: Key, fields: Fields) -> Any:
    name = fields[key.column].name
    expression: Any = _FUNCTIONS[key.function](name) if key.function else F(name)
    if key.opclass:
        expression = OpClass(expression, name=key.opclass)
    if key.nulls:
        place = {f"nulls_{key.nulls}": True}
        return expression.desc(**place) if key.descending else expression.asc(**place)
    return expression.desc() if key.descending else expression


def _condition(where: tuple[Fixed, ...], fields: Fields) -> Q:
    condition = Q()
    for each in where:
        field = fields[each.column]
        value: Any = {"null": True, "not null": False, "true": True, "false": False}.get(each.kind)
        if each.kind in {"null", "not null"}:
            condition &= Q(**{f"{field.name}__isnull": value})
        else:
            given = field.to_python(each.value) if each.kind == "value" else value
            condition &= Q(**{field.attname: given})
    return condition
