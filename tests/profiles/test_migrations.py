"""The migrations on tables that are in use: forwards and backwards, and nobody waits for them."""

import os
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from psycopg import sql

pytestmark = pytest.mark.django_db
ROWS = 3000

# Runs inside the migration's transaction after each of its statements.
WATCH = """
CREATE TABLE watch (
    number serial, statement text, held text, mode text, rows_read bigint, backend int
);
CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO watch (statement, held, mode, rows_read, backend)
    SELECT current_query(), relname, mode,
        pg_stat_get_xact_tuples_returned(t.oid), pg_backend_pid()
    FROM in_use JOIN pg_class t ON t.oid = in_use.oid
    LEFT JOIN pg_locks l ON l.relation = t.oid AND l.pid = pg_backend_pid() AND l.granted
        AND l.mode IN (
            'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock');
END $$;
CREATE TABLE in_use AS
    SELECT c.oid FROM pg_class c
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        AND relname NOT IN ('watch', 'in_use');
CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION watch();
"""
SCHEMA = """
SELECT 'column', table_name, column_name, concat(data_type, is_nullable, column_default)
    FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT 'index', tablename, indexname, indexdef
    FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
ORDER BY 1, 2, 3, 4
"""
FILL = """
INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email, is_staff,
    is_active, date_joined)
SELECT '!', false, 'user-' || n, '', '', '', false, true, now() FROM generate_series(1, {rows}) n;
INSERT INTO profiles_profile (id, owner_id, slug, display_name, title, headline, summary,
    location, email, phone, website, avatar_url, languages, interests, visibility, is_active,
    created_at, updated_at)
SELECT gen_random_uuid(), id, username, username, '', '', '', '', '', '', '', '', '{{}}', '{{}}',
    'public', true, now(), now()
FROM auth_user;
ANALYZE;
"""


@pytest.fixture
def database():
    """A connection to an empty database of its own."""
    told = connections["default"].settings_dict
    server = {
        "host": told["HOST"], "port": told["PORT"], "user": told["USER"],
        "password": told["PASSWORD"], "autocommit": True,
    }  # fmt: skip
    name = f"midst_migrations_{os.getpid()}"
    with psycopg.connect(**server, dbname="postgres") as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        with psycopg.connect(**server, dbname=name) as inside:
            yield inside
        drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
        connection.execute(drop.format(sql.Identifier(name)))


def migrate(database, *targets):
    """Go to ``targets``, else to the last ones."""

    def work():
        # In this thread alone, for Django's connections are each thread's own.
        there = {**connections["default"].settings_dict, "NAME": database.info.dbname}
        connections["default"] = DatabaseWrapper(there, "default")
        try:
            executor = MigrationExecutor(connections["default"])
            executor.migrate(list(targets) or executor.loader.graph.leaf_nodes())
        finally:
            connections["default"].close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(work).result()


def schema(database):
    return database.execute(SCHEMA).fetchall()


def count(database, table):
    return database.execute(
        sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
    ).fetchone()[0]


def blocked(database):
    """Statements that read rows of a table which they, or those before, keep from its users."""
    return database.execute(
        """
        SELECT left(statement, 200), held, mode, read FROM (
            SELECT *, rows_read - coalesce(
                lag(rows_read) OVER (PARTITION BY backend, held ORDER BY number), 0) AS read
            FROM watch) w
        WHERE mode IS NOT NULL AND read > 0
        """
    ).fetchall()


def most_while_locked(database):
    """Statements of the longest row of them that keeps a table from its users."""
    return database.execute(
        "SELECT max(n) FROM (SELECT count(*) n FROM watch WHERE mode IS NOT NULL GROUP BY held) w"
    ).fetchone()[0]


def test_forwards_and_backwards_no_table_in_use_is_read_while_its_users_must_wait(database):
    """What it costs to hold a lock must not grow with the rows, whichever way one goes."""
    migrate(database)
    whole = schema(database)
    migrate(database, ("profiles", None))
    assert not [row for row in schema(database) if row[1].startswith("profiles_")]
    migrate(database, ("profiles", "0001_initial"))
    first = [row for row in schema(database) if row[1] == "profiles_profile"]
    database.execute(FILL.format(rows=ROWS))
    database.execute(WATCH)

    migrate(database)
    assert blocked(database) == []
    assert [row for row in schema(database) if row[1] not in {"watch", "in_use"}] == whole
    forwards = count(database, "watch")
    assert most_while_locked(database) <= 30

    migrate(database, ("profiles", "0001_initial"))
    assert blocked(database) == []
    assert [row for row in schema(database) if row[1] == "profiles_profile"] == first
    assert count(database, "profiles_profile") == ROWS
    # Nothing above would hold had nobody watched.
    assert 100 < forwards < count(database, "watch")
