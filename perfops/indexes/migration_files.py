"""Recommended migrations that wait, and writing one into its app."""

from pathlib import Path

from django.apps import apps

from perfops.indexes.declaration import NotDjangos
from perfops.indexes.migration import Project
from perfops.models.analyses import Finding, Recommendation


def with_migrations(database: str) -> list[Recommendation]:
    """Return the recommendations for ``database`` that wait to be applied and have a migration."""
    waiting = Recommendation.objects.exclude(migration="").filter(
        finding__database=database, applied_at=None
    )
    open_ones = waiting.exclude(finding__status__in=[Finding.Status.RESOLVED, Finding.Status.MUTED])
    return list(open_ones.select_related("finding").order_by("-gain", "id"))


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
