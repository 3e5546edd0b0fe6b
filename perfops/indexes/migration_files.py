"""Recommended migrations that wait, writing one into its app, and the model's edit with it."""

import re
from collections.abc import Iterable
from pathlib import Path

from django.apps import apps
from django.db.models import Index, Model

from perfops.indexes import model_edits
from perfops.indexes.declaration import NotDjangos
from perfops.indexes.migration import Project
from perfops.indexes.model_edits import ModelEdit
from perfops.models.analyses import Finding, Recommendation


def with_migrations(database: str) -> list[Recommendation]:
    """Return the recommendations for ``database`` that wait to be applied and have a migration."""
    waiting = Recommendation.objects.exclude(migration="").filter(
        finding__database=database, applied_at=None
    )
    open_ones = waiting.exclude(finding__status__in=[Finding.Status.RESOLVED, Finding.Status.MUTED])
    return list(open_ones.select_related("finding").order_by("-gain", "id"))


def not_declared(database: str) -> list[Recommendation]:
    """Return those whose migration is in its app, while the model does not say the same yet.

    The next ``makemigrations`` would undo them. One that a later migration undid is none of them.
    """
    rows = Recommendation.objects.exclude(migration="").filter(finding__database=database)
    project = Project()
    found = []
    for row in rows.select_related("finding").order_by("-gain", "id"):
        if (row.app_label, row.migration_name) not in project.loader.disk_migrations:
            continue
        try:
            model = _model(row)
        except NotDjangos:
            continue
        state = project.loader.project_state().models[row.app_label, str(model._meta.model_name)]
        in_migrations = _names(state.options.get("indexes", ()))
        is_wanted = row.kind == Recommendation.Kind.ADD
        is_declared = row.index_name in _names(model._meta.indexes)
        if (row.index_name in in_migrations) == is_wanted != is_declared:
            found.append(row)
    return found


def _names(indexes: Iterable[Index]) -> set[str]:
    return {index.name for index in indexes}


def edit_of(recommendation: Recommendation) -> ModelEdit:
    """Return the edit of the model that belongs to the migration. Raises ``NotDjangos``."""
    model = _model(recommendation)
    if recommendation.kind == Recommendation.Kind.ADD:
        return model_edits.declare(model, recommendation.meta)
    return model_edits.undeclare(model, recommendation.index_name)


def _model(recommendation: Recommendation) -> type[Model]:
    # Django's writer names it so in the operation.
    found = re.search(r"model_name='(\w+)'", recommendation.migration)
    try:
        return apps.get_model(recommendation.app_label, found[1] if found else "")
    except LookupError as error:
        raise NotDjangos(f"the model is not there any more: {error}") from error


class NotWritten(RuntimeError):
    """The file can't be written; the message says why and what to do."""


def write(recommendation: Recommendation) -> Path:
    """Write the migration of ``recommendation`` as a new file of its app. Raises ``NotWritten``.

    The app's last migration must still be the one it was made for: two migrations after the
    same one would have to be merged.
    """
    folder = Path(apps.get_app_config(recommendation.app_label).path) / "migrations"
    try:
        leaf = Project().leaf(recommendation.app_label)
    except NotDjangos as error:
        raise NotWritten(f"{recommendation.migration_name} is not written: {error}.") from error
    if repr(leaf) not in recommendation.migration:
        raise NotWritten(
            f"{recommendation.migration_name} is not written: "
            f"{recommendation.app_label} has a newer migration "
            f"now ({leaf[1]}). Run `manage.py analyze_db` again for one that follows it."
        )
    path = folder / f"{recommendation.migration_name}.py"
    try:
        with path.open("x") as file:
            file.write(recommendation.migration)
    except OSError as error:
        raise NotWritten(f"{path} can't be written: {error.strerror}.") from error
    return path
