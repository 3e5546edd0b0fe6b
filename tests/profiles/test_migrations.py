"""The migrations on tables that are in use: forwards and backwards, and nobody waits for them."""

import pytest
from psycopg import sql

from tests.migrating import database, migrate, schema

__all__ = ["database"]

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
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
    # What was there before can be searched.
    assert count(database, "profiles_profilesearch") == ROWS
    assert [row for row in schema(database) if row[1] not in {"watch", "in_use"}] == whole
    forwards = count(database, "watch")
    assert most_while_locked(database) <= 30

    migrate(database, ("profiles", "0001_initial"))
    assert blocked(database) == []
    assert [row for row in schema(database) if row[1] == "profiles_profile"] == first
    assert count(database, "profiles_profile") == ROWS
    # Nothing above would hold had nobody watched.
    assert 100 < forwards < count(database, "watch")
