"""infra/backup: a dump is restored by one command, and all of it or nothing."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.engine import ROOT
from tests.containers.stack import Stack

pytestmark = pytest.mark.containers
OTHER = "restored"
OWNERS = (
    "SELECT array_agg(tablename || tableowner ORDER BY tablename) FROM pg_tables"
    " WHERE schemaname = 'public' AND tablename <> 'left_over'"
)


def ask(stack: Stack, statement: str, database: str = "midst") -> str:
    return stack.engine.run(
        *("exec", "--env", "PGHOST=/var/run/postgresql", stack.name("postgres")),
        *("psql", "--username", "postgres", "--dbname", database, "-Atc", statement),
    ).strip()


@pytest.fixture
def empty(stack: Stack) -> Iterator[str]:
    """An empty database beside the one in use, owned as docker-compose.yml would have it."""
    ask(stack, f"CREATE DATABASE {OTHER} OWNER midst_owner")
    yield OTHER
    ask(stack, f"DROP DATABASE {OTHER} WITH (FORCE)")


def run(stack: Stack, name: str, *arguments: str, database: str = "midst") -> str:
    done = subprocess.run(
        [ROOT / "infra" / "backup" / name, *arguments],
        env={
            **os.environ, "ENGINE": stack.engine.program,
            "CONTAINER": stack.name("postgres"), "DATABASE": database,
        },
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def test_a_dump_restores_rows_owners_and_privileges(
    stack: Stack, empty: str, tmp_path: Path
) -> None:
    old = tmp_path / "midst-20000101T000000Z.dump"
    old.touch()
    os.utime(old, (0, 0))
    dump = run(stack, "backup", str(tmp_path))
    assert not old.exists(), "it is older than KEEP_DAYS"
    ask(stack, "CREATE TABLE left_over (id int)", empty)
    run(stack, "restore", dump, database=empty)
    for statement in (
        "SELECT count(*) FROM django_migrations",
        OWNERS,
        "SELECT has_table_privilege('midst_app', 'profiles_profile', 'INSERT')",
    ):
        assert ask(stack, statement, empty) == ask(stack, statement), statement


def test_a_dump_that_is_no_dump_changes_nothing(stack: Stack, empty: str, tmp_path: Path) -> None:
    ask(stack, "CREATE TABLE precious (id int)", empty)
    broken = tmp_path / "broken.dump"
    broken.write_text("no dump")
    with pytest.raises(subprocess.CalledProcessError):
        run(stack, "restore", str(broken), database=empty)
    assert ask(stack, "SELECT count(*) FROM precious", empty) == "0"


def test_the_service_backup_has_copied_the_cluster_and_receives_its_wal(stack: Stack) -> None:
    assert "copied the cluster" in stack.engine.logs([stack.name("backup")])
    assert ask(stack, "SELECT active FROM pg_replication_slots") == "t"
