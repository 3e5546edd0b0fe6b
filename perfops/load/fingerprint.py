"""What must be equal for two runs to be compared, as far as it can be found out."""

import hashlib
import os
import platform
import shutil
from pathlib import Path
from typing import Any

import django
import psutil
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from perfops.load import k6
from perfops.load.scenarios import SCRIPTS, Plan

OF_TARGET = (
    "commit", "dirty", "migrations", "python", "django", "postgres", "postgres_settings", "rows",
)  # fmt: skip


def take(plan: Plan, k6_path: str) -> dict[str, Any]:
    """Return the fingerprint of the present code, database and machine; None for unknown."""
    return {
        **of_target(),
        "k6": k6.version(k6_path),
        "scenario_hash": _hash_of_scripts(plan.folder, SCRIPTS),
        "cores": os.cpu_count(),
        "load_before": psutil.getloadavg()[0],
    }


def of_target() -> dict[str, Any]:
    """Return what concerns the server under load; that is this project, here and now."""
    return {
        "commit": _git("rev-parse", "HEAD"),
        "dirty": None if (changes := _git("status", "--porcelain")) is None else bool(changes),
        "migrations": _migrations(),
        "python": platform.python_version(),
        "django": django.get_version(),
        "postgres": _postgres_version(),
        "postgres_settings": _changed_settings(),
        "rows": _row_estimates(),
    }


def _git(*arguments: str) -> str | None:
    git = shutil.which("git")
    return None if git is None else k6.output([git, *arguments])


def _migrations() -> str:
    applied = sorted(
        f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations()
    )
    return hashlib.sha256("\n".join(applied).encode()).hexdigest()[:16]


def _postgres_version() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return str(cursor.fetchone()[0])


def _changed_settings() -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, setting FROM pg_settings WHERE source NOT IN"
            " ('default', 'override', 'client', 'session') AND name !~ '(directory|file|port)'"
            " ORDER BY name"
        )
        return dict(cursor.fetchall())


def _row_estimates() -> dict[str, int]:
    """The planner's, so that no table is counted."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, reltuples::bigint FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace ="
            " (SELECT oid FROM pg_namespace WHERE nspname = current_schema())"
            " AND reltuples >= 1000 ORDER BY relname"
        )
        return dict(cursor.fetchall())


def _hash_of_scripts(*folders: Path) -> str:
    digest = hashlib.sha256()
    for folder in folders:
        for file in sorted([*folder.rglob("*.js"), *folder.glob("*.json")]):
            digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]
