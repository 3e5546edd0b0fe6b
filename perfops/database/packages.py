"""What came with an installed package, and which tables such packages declare.

A project writes no migration for them: what its operator can do about a table depends on it.
"""

import sys
import sysconfig
from functools import lru_cache
from pathlib import Path
from typing import Any

import django
from django.apps import apps
from django.db import router
from django.db.models import Model

from perfops.database.replicas import primary_of


def is_installed(path: Path) -> bool:
    """Say whether the file or folder belongs to Python or to a package, not to the project."""
    if "site-packages" in path.parts or "dist-packages" in path.parts:
        return True
    return any(path.is_relative_to(place) for place in _places())


@lru_cache(maxsize=1)
def _places() -> tuple[Path, ...]:
    paths = sysconfig.get_paths()
    # Not the whole of sys.prefix: some keep their project within its virtual environment.
    ours = {paths[kind] for kind in ("stdlib", "purelib", "platlib", "scripts")}
    return tuple(map(Path, {*ours, django.__path__[0]}))


def of_tables(alias: str) -> dict[str, str]:
    """Return the tables of the database ``alias`` that packages declare, each with its package."""
    declared = {
        model._meta.db_table: of_model(model)
        for model in models_of(alias)
        if model._meta.managed and not model._meta.proxy
    }
    return {table: package for table, package in declared.items() if package}


def models_of(alias: str) -> list[type[Model]]:
    """Return the models whose tables the database ``alias`` has, as its routers see it.

    A read replica has those of its primary, though nothing is migrated there.
    """
    primary = primary_of(alias)
    return [
        model
        for model in apps.get_models(include_auto_created=True)
        if router.allow_migrate_model(primary, model)
    ]


def of_model(model: type[Model]) -> str:
    """Return the name of the package that declares ``model``; empty where the project does."""
    module = _home(model).__module__
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None or not is_installed(Path(file)):
        return ""
    config = apps.get_containing_app_config(module)
    return config.name if config else module.partition(".")[0]


def _home(model: type[Model]) -> type:
    """Return the class that declares ``model``: itself, or where a ManyToManyField makes it.

    That may be an abstract parent of a package: a project's own user model has such fields.
    """
    # django-stubs take it for a bool.
    source: Any = model._meta.auto_created
    if not source:
        return model
    made = next(f for f in source._meta.local_many_to_many if f.remote_field.through is model)
    parents: list[type] = [each for each in source.__mro__ if _has(each, made.creation_counter)]
    return parents[-1]


def _has(parent: Any, number: int) -> bool:
    """Say whether the class has the field: one that is inherited is a copy, its number the same."""
    fields = parent._meta.local_many_to_many if hasattr(parent, "_meta") else ()
    return any(field.creation_counter == number for field in fields)
