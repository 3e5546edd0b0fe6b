"""From a slow statement on a model's table to a migration of its app, by the commands."""

from contextlib import contextmanager

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection

from perfops.analysis import services as analyses
from perfops.models import Finding, LoadRun, Recommendation, Sample
from tests.perfops.clusters import tell_counters

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.slow,
]
ROWS = 8_000


def execute(sql, times=1):
    with connection.cursor() as cursor:
        for _ in range(times):
            cursor.execute(sql)


@pytest.fixture
def slow_statement(settings):
    """A model's table with many rows, and a statement that reads it whole for one of them.

    Returns the analysis since which that is done.
    """
    run = LoadRun.objects.create(scenario="smoke", target="http://127.0.0.1:1")
    execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    Sample.objects.bulk_create(
        Sample(run=run, second=second, requests=second % 5000) for second in range(ROWS)
    )
    execute("ANALYZE perfops_sample")
    # What is written counts by its rate since the statistics began: that is now, and these rows,
    # and those of other tests, are none of it.
    with connection.cursor() as cursor:
        tell_counters(cursor)
        cursor.execute("SELECT pg_stat_reset()")
    began = analyses.analyse().analysis_id
    settings.PERFOPS = {**settings.PERFOPS, "REHEARSE_ON": {"default": "default"}}
    execute("SELECT * FROM perfops_sample WHERE requests = 77", times=200)
    return str(began)


def call(capsys, *command):
    with pytest.raises(SystemExit) as ended:
        call_command(*command)
    captured = capsys.readouterr()
    return ended.value.code, captured.out, captured.err


@contextmanager
def settings_of(settings, **changes):
    was, settings.PERFOPS = settings.PERFOPS, {**settings.PERFOPS, **changes}
    try:
        yield
    finally:
        settings.PERFOPS = was


def test_a_slow_statement_becomes_a_migration(
    slow_statement, settings, capsys, tmp_path, monkeypatch
):
    before = Recommendation.objects.count()
    call(capsys, "analyze_db", "--no-store")
    assert Recommendation.objects.count() == before
    code, out, _ = call(capsys, "analyze_db", "--since", slow_statement, "--fail-on", "warning")
    advice = Recommendation.objects.get(finding__object="public.perfops_sample (requests)")
    assert code == 1, out
    assert "CREATE INDEX CONCURRENTLY" in out
    assert advice.finding.title in out
    assert advice.meta == f"models.Index(fields=['requests'], name='{advice.index_name}'),"
    compile(advice.migration, advice.migration_name, "exec")

    # An analysis without time for recommendations takes none away.
    with settings_of(settings, INDEX_ADVICE_S=0.0):
        code, out, _ = call(capsys, "analyze_db", "--only", "missing_index", "--fail-on", "warning")
    advice.finding.refresh_from_db()
    assert (code, advice.finding.status) == (1, Finding.Status.OPEN)
    assert "could not be checked since" in out

    code, out, _ = call(capsys, "advise_indexes")
    assert (code, advice.meta in out, "written" in out) == (0, True, False)
    # The app's own folder stays as it is.
    (tmp_path / "migrations").mkdir()
    monkeypatch.setattr(apps.get_app_config("perfops"), "path", str(tmp_path))
    assert call(capsys, "advise_indexes", "--write-migrations")[0] == 0
    written = tmp_path / "migrations" / f"{advice.migration_name}.py"
    assert written.read_text() == advice.migration
    code, _, err = call(capsys, "advise_indexes", "--write-migrations")
    assert (code, "File exists" in err) == (2, True)

    advice.migration = advice.migration.replace("('perfops', '0", "('perfops', '9")
    advice.save()
    code, _, err = call(capsys, "advise_indexes", "--write-migrations")
    assert (code, "has a newer migration now" in err) == (2, True)

    # By hand, under another name: it is known by what it is.
    execute(advice.finding.statement.replace(advice.index_name, "by hand"))
    try:
        again = analyses.analyse()
    finally:
        execute('DROP INDEX "by hand"')
    assert not any(issue.object == advice.finding.object for issue in again.issues)
    advice.refresh_from_db()
    assert advice.finding.status == Finding.Status.RESOLVED
    assert advice.applied_at is not None
    code, out, _ = call(capsys, "advise_indexes")
    assert (code, advice.meta in out) == (0, False)
