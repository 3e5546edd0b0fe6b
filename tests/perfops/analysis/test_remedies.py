"""A remedy fits the server that it is printed for: its size, its sources of settings, its service.

``problems/test_diagnosis.py`` carries every printed statement out and analyses again.
"""

from dataclasses import replace

import msgspec
import pytest

from perfops.analysis.advisors import (
    checkpoint_pressure,
    integer_overflow,
    invalid_indexes,
    server_settings,
)
from perfops.analysis.collectors.records import Checkpoints, Wal
from perfops.analysis.collectors.states import Numbering, Setting
from perfops.conf import Conf
from tests.perfops.analysis.test_advisors import DATABASE, INDEX, SERVER, changed, window

GB = 1024**3
LARGE = changed(DATABASE, bytes=50 * GB, temp_bytes=10**13)
SMALL_BUFFERS = Setting("shared_buffers", "16384", "8kB", "default")


def advised(setting, *, service="", memory_mb=0, others=()):
    seen = window(database=LARGE, settings=[setting, *others])
    server = changed(SERVER, service=service)
    seen = replace(seen, after=msgspec.structs.replace(seen.after, server=server))
    limits = Conf(DATABASE_MEMORY_MB={"default": memory_mb} if memory_mb else {})
    return [i for i in server_settings.run(seen, limits) if i.object == setting.name]


def test_shared_memory_is_sized_to_the_machine():
    (issue,) = advised(SMALL_BUFFERS, memory_mb=16 * 1024)
    assert issue.statement == ("ALTER SYSTEM SET shared_buffers = '4194304kB';  -- then restart")
    # A quarter of a small machine is what it has already.
    assert advised(SMALL_BUFFERS, memory_mb=512) == []


def test_without_a_known_machine_no_size_is_made_up():
    (issue,) = advised(SMALL_BUFFERS)
    assert issue.statement == ""
    assert 'PERFOPS["DATABASE_MEMORY_MB"]' in issue.remedy


def test_work_mem_leaves_room_for_each_connection():
    work_mem = Setting("work_mem", "4096", "kB", "default")
    hundred = Setting("max_connections", "100", "", "default")
    (issue,) = advised(work_mem, memory_mb=8 * 1024, others=[hundred])
    assert issue.statement.startswith("ALTER SYSTEM SET work_mem = '20971kB';")
    (issue,) = advised(work_mem, memory_mb=1024, others=[hundred])
    assert (issue.statement, "no room" in issue.remedy) == ("", True)


@pytest.mark.parametrize(
    ("source", "service", "told"),
    [
        ("configuration file", "", "ALTER SYSTEM SET autovacuum = 'on'; SELECT pg_reload_conf();"),
        ("default", "rds", ('aws rds modify-db-parameter-group --db-parameter-group-name GROUP '
         '--parameters "ParameterName=autovacuum,ParameterValue=on,ApplyMethod=immediate"')),
        ("default", "cloudsql",
         "gcloud sql instances patch INSTANCE --database-flags=autovacuum=on"),
        ("default", "azure", ("az postgres flexible-server parameter set --resource-group GROUP "
         "--server-name SERVER --name autovacuum --value on")),
        ("default", "supabase", ("supabase --experimental --project-ref PROJECT postgres-config "
         "update --config autovacuum=on")),
        ("default", "neon", ""),
        ("command line", "", ""),
        ("client", "", ""),
        ("database", "rds", 'ALTER DATABASE "midst" RESET autovacuum;'),
        ("user", "", 'ALTER ROLE "midst" RESET autovacuum;'),
        ("database user", "", 'ALTER ROLE "midst" IN DATABASE "midst" RESET autovacuum;'),
    ],
)  # fmt: skip
def test_a_setting_is_changed_where_it_is_set(source, service, told):
    (issue,) = advised(Setting("autovacuum", "off", "", source), service=service)
    assert issue.statement == told
    if not told:
        assert issue.remedy.count(". ") >= 2  # another way is told


@pytest.mark.parametrize(
    ("megabytes", "wal_bytes", "advised_mb"),
    # 10 days of WAL at 1 GB each 5 minutes need 1.9 GB; what is set already is doubled.
    [("1024", 10 * 24 * 12 * GB, "2048"), ("16384", 0, "32768"), ("64", 0, "128")],
)
def test_max_wal_size_only_ever_grows_and_by_what_was_written(megabytes, wal_bytes, advised_mb):
    settings = [
        Setting("max_wal_size", megabytes, "MB", "default"),
        Setting("checkpoint_timeout", "300", "s", "default"),
        Setting("checkpoint_completion_target", "0.9", "", "default"),
    ]
    seen = window(
        checkpoints=Checkpoints(0, 9, 0, 0, 0, 0, 0), settings=settings, wal=Wal(0, 0, wal_bytes, 0)
    )
    (issue,) = checkpoint_pressure.run(seen, Conf())
    assert issue.statement == (
        f"ALTER SYSTEM SET max_wal_size = '{advised_mb}MB'; SELECT pg_reload_conf();"
    )


@pytest.mark.parametrize(
    ("type_", "sequence", "limit", "statement"),
    [
        ("integer", "a.b.S", 2**31 - 1,
         ('ALTER TABLE "a.b"."T" ALTER COLUMN "id" TYPE bigint; '
         'ALTER SEQUENCE "a.b"."S" AS bigint NO MAXVALUE;')),
        ("bigint", "a.b.S", 2**31 - 1, 'ALTER SEQUENCE "a.b"."S" AS bigint NO MAXVALUE;'),
        ("integer", "", 2**31 - 1, 'ALTER TABLE "a.b"."T" ALTER COLUMN "id" TYPE bigint;'),
        ("bigint", "a.b.S", 2**63 - 1, ""),
    ],
)  # fmt: skip
def test_a_sequence_is_made_long_with_its_column(type_, sequence, limit, statement):
    each = Numbering("a.b", "T", "id", type_, sequence, limit, limit, "a.b" if sequence else "")
    (issue,) = integer_overflow.run(window(numberings=[each]), Conf())
    assert issue.statement == statement


def test_a_column_that_can_not_become_long_by_itself_has_no_statement_but_the_reason():
    each = Numbering(
        "a", "T", "id", "integer", "a.S", 9, 9, "a", "view a.v, column low of table a.T"
    )
    (issue,) = integer_overflow.run(window(numberings=[each]), Conf())
    assert issue.statement == ""
    assert "used by view a.v, column low of table a.T" in issue.remedy


@pytest.mark.parametrize("name", ["big_idx_ccnew", "big_idx_ccnew1", "big_idx_ccold"])
def test_what_a_failed_reindex_left_is_dropped_and_not_built_again(name):
    left = changed(INDEX, name=name, is_valid=False)
    (issue,) = invalid_indexes.run(window(indexes=[left]), Conf())
    assert issue.statement == f'DROP INDEX CONCURRENTLY "public"."{name}";'
