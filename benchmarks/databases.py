"""The databases that benchmarks look at: made and seeded once, then kept in ``BENCHMARK_DIR``."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from midst.stack import process, servers

ROOT = Path(__file__).parents[1]
FOLDER = Path(os.environ.get("BENCHMARK_DIR", ROOT / ".midst" / "benchmarks")).absolute()
# A refused connection is the quickest way to have no cache: every answer is computed.
NO_CACHE = "redis://127.0.0.1:1"


@contextmanager
def server() -> Iterator[str]:
    """Run a PostgreSQL of our own until the block ends; yields the URL of its first database."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    FOLDER.chmod(0o755)
    running = servers.start(
        FOLDER, outside={"REDIS_URL": NO_CACHE}, death=signal.SIGINT, postgres_settings={}
    )
    try:
        yield running.urls["DATABASE_URL"]
    finally:
        for child in reversed(running.children):
            process.stop(child)


def environment(url: str) -> dict[str, str]:
    """Return the environment of a program that works on the database at ``url``, uncached."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "midst.settings.test",
        "DATABASE_URL": url,
        "REDIS_URL": NO_CACHE,
        "LOG_LEVEL": "ERROR",
    }


def manage(url: str, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment(url), check=True
    )


def make(server_url: str, name: str) -> str:
    """Make an empty database unless it is there; return its URL."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if found.fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return f"{server_url.rpartition('/')[0]}/{name}"


def drop(server_url: str, name: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        connection.execute(statement.format(sql.Identifier(name)))


def seeded(server_url: str, profiles: int) -> str:
    """Return the URL of a database with so many profiles; made, or topped up, when need be."""
    url = make(server_url, f"profiles_{profiles}")
    manage(url, "migrate", "--verbosity=0")
    manage(url, "seed", f"--profiles={profiles}")
    return url
