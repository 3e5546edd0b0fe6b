"""A database with every known illness, next to a healthy half.

Schema ``ill``: a table for each illness, named after it. Schema ``well``: what looks like an
illness and is none. Made by real SQL; the sizes are such that the usual thresholds hold.
"""

import re
import threading
from contextlib import ExitStack, contextmanager, suppress

import psycopg
import pytest

from perfops.conf import Conf
from tests.perfops.clusters import tell_counters, until

# Waiting and keeping are the same after a second as after a minute, and a slot after 8 MB; on a
# busy machine a healthy statement may well stand still for half a second.
LIMITS = Conf(
    UNSTEADY_MIN_MS=80.0,
    UNUSED_INDEX_MIN_DAYS=0.0, IDLE_IN_TRANSACTION_S=0.5, LONG_QUERY_S=0.5, BLOCKED_S=0.5,
    SLOT_KEPT_BYTES=8 * 1024**2,
)  # fmt: skip
SETTINGS = {
    "autovacuum": "off",
    "shared_buffers": "16MB",
    "work_mem": "1MB",
    "max_connections": "30",
    "max_wal_size": "2GB",
    "autovacuum_freeze_max_age": "2000000000",
}
# advisor, and what its finding's object must contain
ILLNESSES = (
    ("slow_queries", "ill.slow"),
    ("frequent_queries", "ill.frequent"),
    ("rows_read", "ill.rows_read"),
    ("temp_files", "ill.temp_files"),
    ("wal_writers", "ill.wal_writers"),
    ("unsteady_queries", "ill.unsteady"),
    ("unused_indexes", "ill.unused_note"),
    ("duplicate_indexes", "ill.duplicate_same"),
    ("duplicate_indexes", "ill.duplicate_prefix"),
    ("invalid_indexes", "ill.invalid_code"),
    ("invalid_indexes", "ill.reindexed_code_ccnew"),
    ("unindexed_foreign_keys", "ill.child.child_parent_fk"),
    ("sequential_scans", "ill.read_whole"),
    ("cache_hit_ratio", "ill.cold"),
    ("bloat", "ill.bloated"),
    ("bloat", "ill.bloated_text"),
    ("dead_tuples", "ill.dead"),
    ("wraparound", "ill.old"),
    ("integer_overflow", "ill.serial.id"),
    ("integer_overflow", "ill.plain_key.id"),
    ("integer_overflow", "ill.small_identity.id"),
    ("integer_overflow", "ill.eu.Serial.id"),
    ("unvalidated_constraints", "ill.doubtful.doubtful_positive"),
    ("unvalidated_constraints", "ill.doubtful.doubtful_parent_fk"),
    ("missing_statistics", "ill.never_analysed"),
    ("growth", "ill.growing"),
    ("connections", "connections in use"),
    ("idle_in_transaction", "ill-idle"),
    ("blocked_sessions", "ill-holder"),
    ("long_queries", "ill.long"),
    ("replication_lag", "slot ill_slot"),
    ("checkpoint_pressure", "checkpoints"),
    ("server_settings", "autovacuum"),
    ("server_settings", "fsync"),
)
# These are about the whole server; so is what ails it.
ABOUT_ALL = ("database ", "connections ", "checkpoints", "autovacuum", "fsync")

_OLD = """CREATE SCHEMA ill;
CREATE TABLE ill.old AS SELECT n AS id FROM generate_series(1, 100) n;"""

_HEALTHY = """CREATE SCHEMA well;
CREATE TABLE well.author (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text);
INSERT INTO well.author (name) SELECT 'author ' || n FROM generate_series(1, 2000) n;
CREATE TABLE well.book (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    author_id bigint NOT NULL REFERENCES well.author,
    editor_id bigint REFERENCES well.author,
    isbn text NOT NULL UNIQUE, title text, year int, sold timestamptz, tags text[]
);
INSERT INTO well.book (author_id, editor_id, isbn, title, year, tags)
    SELECT 1 + n % 2000, CASE WHEN n % 9 = 0 THEN 1 + n % 2000 END, 'isbn-' || n,
        'title ' || md5(n::text), 1900 + n % 120, ARRAY['a' || n % 50]
    FROM generate_series(1, 60000) n;
-- Never scanned, and needed: the only one under its key.
CREATE INDEX book_author ON well.book (author_id);
-- A partial one without NULL serves a nullable key as well.
CREATE INDEX book_editor ON well.book (editor_id) WHERE editor_id IS NOT NULL;
-- Other orders, classes and predicates are other indexes.
CREATE INDEX book_year_title ON well.book (year, title);
CREATE INDEX book_title_year ON well.book (title, year);
CREATE INDEX book_title_like ON well.book (title text_pattern_ops);
CREATE INDEX book_unsold ON well.book (year) WHERE sold IS NULL;
CREATE INDEX book_title_lower ON well.book (lower(title));
CREATE INDEX book_tags ON well.book USING gin (tags);
-- Half full, because it was told to be.
CREATE TABLE well.roomy (id bigint PRIMARY KEY, filler text) WITH (fillfactor = 40);
INSERT INTO well.roomy SELECT n, repeat('x', 100) FROM generate_series(1, 60000) n;
-- Some dead rows are no illness, nor is a small table without statistics.
CREATE TABLE well.few_dead (id int PRIMARY KEY, n int);
INSERT INTO well.few_dead SELECT n, 0 FROM generate_series(1, 100000) n;
CREATE TABLE well.half_used (id serial PRIMARY KEY, n int);
INSERT INTO well.half_used (n) SELECT n FROM generate_series(1, 100) n;
SELECT setval('well.half_used_id_seq', 1000000000);
CREATE TABLE well.key_of_others (id int PRIMARY KEY, n int);
INSERT INTO well.key_of_others VALUES (1000000000, 1);
-- Wide and partly NULL: not bloated, however it is estimated.
CREATE TABLE well.sparse (id bigint PRIMARY KEY, a text, b text, c int, d int, e int, f int,
    g int, h int, i int, j int);
INSERT INTO well.sparse SELECT n, CASE WHEN n % 3 = 0 THEN repeat('y', 90) END, NULL, n
    FROM generate_series(1, 100000) n;
"""

_ILL = """CREATE TABLE ill.slow (id int PRIMARY KEY);
INSERT INTO ill.slow VALUES (1);
CREATE TABLE ill.frequent (id bigint PRIMARY KEY, name text);
INSERT INTO ill.frequent SELECT n, 'name ' || n FROM generate_series(1, 5000) n;
CREATE TABLE ill.rows_read (id bigint PRIMARY KEY, email text, filler text);
INSERT INTO ill.rows_read SELECT n, 'user' || n || '@example.org', repeat('x', 200)
    FROM generate_series(1, 40000) n;
CREATE TABLE ill.temp_files (id bigint PRIMARY KEY, filler text);
INSERT INTO ill.temp_files SELECT n, md5(n::text) || md5((n + 1)::text)
    FROM generate_series(1, 60000) n;
CREATE TABLE ill.wal_writers (id int PRIMARY KEY, seen int, document text);
ALTER TABLE ill.wal_writers ALTER document SET STORAGE EXTERNAL;
INSERT INTO ill.wal_writers SELECT n, 0, repeat(md5(n::text), 600)
    FROM generate_series(1, 100) n;
CREATE TABLE ill.unsteady (id int PRIMARY KEY);
INSERT INTO ill.unsteady VALUES (1);
CREATE TABLE ill.unused (id bigint PRIMARY KEY, note text);
INSERT INTO ill.unused SELECT n, 'note ' || md5(n::text) FROM generate_series(1, 40000) n;
CREATE INDEX unused_note ON ill.unused (note);
CREATE TABLE ill.duplicate (id bigint PRIMARY KEY, a int, b int);
INSERT INTO ill.duplicate SELECT n, n % 1000, n FROM generate_series(1, 50000) n;
CREATE INDEX duplicate_first ON ill.duplicate (a, b);
CREATE INDEX duplicate_same ON ill.duplicate (a, b);
CREATE INDEX duplicate_prefix ON ill.duplicate (a);
CREATE TABLE ill.invalid (id bigint PRIMARY KEY, code int);
INSERT INTO ill.invalid SELECT n, n % 100 FROM generate_series(1, 1000) n;
CREATE TABLE ill.parent (id bigint PRIMARY KEY);
INSERT INTO ill.parent SELECT n FROM generate_series(1, 1000) n;
CREATE TABLE ill.child (id bigint PRIMARY KEY,
    parent_id bigint CONSTRAINT child_parent_fk REFERENCES ill.parent);
INSERT INTO ill.child SELECT n, 1 + n % 1000 FROM generate_series(1, 20000) n;
CREATE TABLE ill.read_whole (id bigint PRIMARY KEY, kind int);
INSERT INTO ill.read_whole SELECT n, n % 7 FROM generate_series(1, 20000) n;
CREATE TABLE ill.cold (id bigint PRIMARY KEY, filler text);
INSERT INTO ill.cold SELECT n, repeat(md5(n::text), 25) FROM generate_series(1, 50000) n;
CREATE TABLE ill.bloated (id bigint PRIMARY KEY, text text);
INSERT INTO ill.bloated SELECT n, md5(n::text) || md5((-n)::text)
    FROM generate_series(1, 300000) n;
CREATE INDEX bloated_text ON ill.bloated (text);
DELETE FROM ill.bloated WHERE id % 10 <> 0;
CREATE TABLE ill.dead (id bigint PRIMARY KEY, n int) WITH (autovacuum_enabled = off);
INSERT INTO ill.dead SELECT n, 0 FROM generate_series(1, 40000) n;
CREATE TABLE ill.serial (id serial PRIMARY KEY, n int);
INSERT INTO ill.serial (n) SELECT n FROM generate_series(1, 100) n;
SELECT setval('ill.serial_id_seq', 1900000000);
CREATE TABLE ill.plain_key (id int PRIMARY KEY);
INSERT INTO ill.plain_key VALUES (5), (2100000000);
CREATE TABLE ill.small_identity (id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n int);
INSERT INTO ill.small_identity (n) SELECT n FROM generate_series(1, 25000) n;
-- Made longer by hand, and its sequence forgotten; in a schema with a dot in its name.
CREATE SCHEMA "ill.eu";
CREATE TABLE "ill.eu"."Serial" (id serial PRIMARY KEY, n int);
ALTER TABLE "ill.eu"."Serial" ALTER id TYPE bigint;
INSERT INTO "ill.eu"."Serial" (n) SELECT n FROM generate_series(1, 100) n;
SELECT setval('"ill.eu"."Serial_id_seq"', 2000000000);
CREATE TABLE ill.reindexed (id bigint PRIMARY KEY, code int);
INSERT INTO ill.reindexed SELECT n, n % 100 FROM generate_series(1, 1000) n;
CREATE TABLE ill.doubtful (id bigint PRIMARY KEY, n int, parent_id bigint);
INSERT INTO ill.doubtful SELECT n, -n, n FROM generate_series(1, 100) n;
ALTER TABLE ill.doubtful ADD CONSTRAINT doubtful_positive CHECK (n > 0) NOT VALID,
    ADD CONSTRAINT doubtful_parent_fk FOREIGN KEY (parent_id) REFERENCES ill.parent NOT VALID;
CREATE TABLE ill.growing (id bigint PRIMARY KEY, filler text);
INSERT INTO ill.growing SELECT n, repeat(md5(n::text), 55) FROM generate_series(1, 2000) n;
CREATE TABLE ill.locked (id int PRIMARY KEY);
INSERT INTO ill.locked VALUES (1);
"""
_LATER = """CREATE TABLE ill.never_analysed (id bigint PRIMARY KEY, n int);
INSERT INTO ill.never_analysed SELECT n, n FROM generate_series(1, 20000) n;
CREATE TABLE well.too_small (id int PRIMARY KEY, n int);
INSERT INTO well.too_small SELECT n, n FROM generate_series(1, 500) n;
"""


def build(cluster):
    """Make both halves, and return the illnesses that there are.

    Half a billion transactions lie between the oldest table and the rest, where the server has
    brought the program for it.
    """
    cluster.execute(_OLD)
    cluster.stop()
    can_age = cluster.has("pg_resetwal")
    if can_age:
        _age(cluster)
    cluster.configure(SETTINGS)
    cluster.start()
    cluster.execute("CREATE EXTENSION pg_stat_statements", _HEALTHY, _ILL)
    # It fails, and leaves the index behind: that is the illness.
    for index, table in (("invalid_code", "invalid"), ("reindexed_code_ccnew", "reindexed")):
        with pytest.raises(psycopg.errors.UniqueViolation):
            cluster.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {index} ON ill.{table} (code)")
    # Without the oldest: to vacuum it would cure it.
    with cluster.connect("builder") as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', schemaname, relname) FROM pg_stat_user_tables"
            " WHERE relname <> 'old'"
        ).fetchall()
        for (name,) in tables:
            connection.execute(f"VACUUM (ANALYZE) {name}")
    cluster.execute(
        "ANALYZE ill.old", _LATER,
        "SELECT pg_create_physical_replication_slot('ill_slot', true)",
    )  # fmt: skip
    return [illness for illness in ILLNESSES if can_age or illness[0] != "wraparound"]


def _age(cluster):
    segment = 512
    cluster.run("pg_resetwal", "-D", cluster.data, "-x", segment * 2**20 + 100)
    log = cluster.data / "pg_xact" / f"{segment:04X}"
    log.write_bytes(bytes(256 * 1024))
    cluster.own(log)


def live(cluster, *, only_healthy=False):
    """What goes on between the two looks, in both halves."""
    with cluster.connect("web") as connection:
        _healthy_work(connection)
        if not only_healthy:
            _ill_work(connection)
        tell_counters(connection)
        connection.execute("SELECT 1")


def _healthy_work(connection):
    for n in range(1, 400):
        connection.execute("SELECT * FROM well.book WHERE id = %s", [n * 37])
        connection.execute("SELECT title FROM well.book WHERE author_id = %s LIMIT 20", [n])
        connection.execute("SELECT name FROM well.author WHERE id = %s", [n])
    for n in range(60):
        connection.execute("SELECT * FROM well.book LIMIT 1")
        connection.execute(
            "SELECT id FROM well.book WHERE year = %s AND title > 'title 5' LIMIT 5", [1900 + n]
        )
        connection.execute("SELECT id FROM well.book WHERE title = %s AND year = 3", [f"t{n}"])
        connection.execute("SELECT id FROM well.book WHERE title LIKE %s", [f"t{n}%"])
        connection.execute("SELECT id FROM well.book WHERE sold IS NULL AND year = 1950 LIMIT 9")
        connection.execute("SELECT id FROM well.book WHERE lower(title) = %s", [f"t{n}"])
        connection.execute("UPDATE well.author SET name = name || '.' WHERE id = %s", [n + 1])
        connection.execute("SELECT id FROM well.roomy WHERE id = %s", [n])
        connection.execute("SELECT name FROM well.author ORDER BY name LIMIT 20")
    for _ in range(60):
        connection.execute("SELECT id FROM well.book WHERE tags @> ARRAY['a7']")
    connection.execute("SELECT id FROM well.book WHERE editor_id = 9")
    connection.execute("UPDATE well.few_dead SET n = 1 WHERE id <= 9000")


def _ill_work(connection):
    for _ in range(12):
        connection.execute("SELECT pg_sleep(0.06), id FROM ill.slow")
        connection.execute("SELECT id FROM ill.rows_read WHERE email = 'user7@example.org'")
        connection.execute("SELECT * FROM ill.temp_files ORDER BY md5(filler) OFFSET 59999")
        connection.execute("UPDATE ill.wal_writers SET document = document || ''")
    for n in range(2500):
        connection.execute("SELECT name FROM ill.frequent WHERE id = %s", [n])
    for n in range(200):
        pause = 1.2 if n % 100 == 7 else 0.0
        connection.execute("SELECT pg_sleep(%s) FROM ill.unsteady WHERE id = 1", [pause])
    for _ in range(60):
        connection.execute("SELECT count(*) FROM ill.read_whole WHERE kind = 3")
    for seed in (7919, 104729, 15485863):
        connection.execute(
            "SELECT sum(length(c.filler)) FROM generate_series(1, 20000) g,"
            " LATERAL (SELECT filler FROM ill.cold WHERE id = 1 + (g::bigint * %s) %% 50000"
            " LIMIT 1) c",
            [seed],
        )
    connection.execute("UPDATE ill.dead SET n = n + 1 WHERE id <= 30000")
    connection.execute(
        "INSERT INTO ill.growing SELECT n, repeat(md5(n::text), 55)"
        " FROM generate_series(2001, 42000) n"
    )
    for _ in range(6):
        connection.execute("CHECKPOINT")


# What a remedy's sentence asks for before its statement: rows that stand in the way.
REPAIRS = (
    "DELETE FROM ill.invalid a USING ill.invalid b WHERE a.code = b.code AND a.id > b.id",
    "UPDATE ill.doubtful SET n = abs(n) + 1",
)


def remedy(cluster, statements):
    """Carry out what was printed, as a person would paste it; restart where it says so.

    Two findings about one index have one statement.
    """
    cluster.execute(*REPAIRS)
    for statement in dict.fromkeys(statements):
        for part in re.split(r"(?<=;)\s+", statement):
            if not part.startswith("--"):
                cluster.execute(part)
    if any("-- then restart" in statement for statement in statements):
        cluster.stop()
        cluster.start()


@contextmanager
def trouble(cluster):
    """Sessions in trouble: idle in a transaction, one that holds up another, a long one, many."""
    with ExitStack() as stack:
        holder = stack.enter_context(cluster.connect("ill-holder"))
        holder.execute("BEGIN")
        holder.execute("SELECT * FROM ill.locked FOR UPDATE")
        idle = stack.enter_context(cluster.connect("ill-idle"))
        idle.execute("BEGIN")
        idle.execute("SELECT * FROM ill.old LIMIT 1")
        waiter = stack.enter_context(cluster.connect("ill-waiter"))
        long = stack.enter_context(cluster.connect("ill-long"))
        for _ in range(20):
            stack.enter_context(cluster.connect("well-idle"))
        threads = [
            _start(waiter, "UPDATE ill.locked SET id = 1"),
            _start(long, 'SELECT pg_sleep(600) FROM ill.old AS "ill.long" LIMIT 1'),
        ]
        try:
            # Inside a transaction the activity is looked at once: not by one of these.
            watcher = stack.enter_context(cluster.connect("well-watcher"))
            until(lambda: _in_trouble(watcher), "the sessions did not get into trouble")
            yield
        finally:
            waiter.cancel()
            long.cancel()
            for thread in threads:
                thread.join(10)


def _start(connection, statement):
    def run():
        # Canceling is how it ends.
        with suppress(psycopg.errors.QueryCanceled):
            connection.execute(statement)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def _in_trouble(connection):
    """All of them for longer than the limits."""
    return connection.execute(
        """SELECT count(*) FROM pg_stat_activity
        WHERE clock_timestamp() - state_change > interval '0.7 s'
            AND (application_name = 'ill-idle' AND state = 'idle in transaction'
                OR application_name = 'ill-waiter' AND wait_event_type = 'Lock'
                OR application_name = 'ill-long' AND state = 'active')"""
    ).fetchone() == (3,)
