"""The three commands: reports for people, JSON for programs, exit codes for CI."""

import json
import re
from datetime import timedelta

import pytest
from django.core.management import call_command, get_commands, load_command_class
from django.db import OperationalError, connection, connections
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import F
from django.utils import timezone

from perfops import overview, tasks
from perfops.analysis import services as analyses
from perfops.analysis import snapshots
from perfops.budgets import services as budgets
from perfops.models import (
    Analysis,
    Budget,
    Evaluation,
    Finding,
    LoadRun,
    Recommendation,
    StoredSnapshot,
)
from perfops.models.origins import QueryPlan
from tests.perfops.analysis.test_reports import MISSING, advice, report
from tests.perfops.budgets.test_verdicts import LATENCY, run_with
from tests.perfops.clusters import tell_counters

WHOLE = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def call(capsys, *command):
    """Return (exit code, stdout, stderr)."""
    with pytest.raises(SystemExit) as ended:
        call_command(*command)
    captured = capsys.readouterr()
    return ended.value.code, captured.out, captured.err


def call_judged(capsys, *command):
    """A generator that shares a busy machine may fall behind its plan: then once more."""
    for _ in range(3):
        called = call(capsys, *command)
        if called[0] != 2:
            break
    return called


@pytest.mark.slow
@WHOLE
@pytest.mark.usefixtures("quick_enough")
def test_run_load_test_here_reports_a_pass(capsys, scenario, site):
    command = ("run_load_test", scenario(), "--target", site.url, "--here")
    code, out, _ = call_judged(capsys, *command)
    assert code == 0, out
    for part in ("PASS", "p95 latency", "slowest routes", "requests in"):
        assert part in out


@pytest.mark.slow
@WHOLE
@pytest.mark.usefixtures("quick_enough")
def test_run_load_test_as_json_holds_nothing_else_on_stdout(capsys, scenario, site):
    command = ("run_load_test", scenario(), "--target", site.url, "--here", "--format", "json")
    code, out, _ = call_judged(capsys, *command)
    told = json.loads(out)
    assert (code, told["exit_code"], told["verdict"]) == (0, 0, "pass")
    assert told["summary"]["requests"] > 1000
    assert len(told["budgets"]) == 6


@WHOLE
def test_run_load_test_against_nobody_could_not_tell(capsys, scenario):
    command = ("run_load_test", scenario(), "--target", "http://127.0.0.1:9", "--here")
    code, out, _ = call(capsys, *command)
    assert code == 2
    assert "Nothing answers" in out


@pytest.mark.slow
@WHOLE
def test_run_load_test_exits_with_1_when_a_budget_fails(capsys, scenario, site):
    Budget.objects.filter(metric="latency_p95").update(target=0.001, threshold=0.001)
    command = ("run_load_test", scenario(), "--target", site.url, "--here")
    code, out, _ = call_judged(capsys, *command)
    assert code == 1, out
    assert "FAIL" in out


@pytest.mark.django_db
@pytest.mark.parametrize(
    "command",
    [("run_load_test", "nothing"), ("run_load_test", "smoke", "--target", "http://192.0.2.1")],
)
def test_run_load_test_refuses_with_a_sentence(capsys, command):
    code, out, err = call(capsys, *command)
    assert (code, out) == (2, "")
    assert err.count("\n") <= 2
    assert "known" in err.lower() or "allowed" in err


@pytest.mark.django_db
def test_check_budget_without_a_run_says_what_to_do(capsys):
    code, out, _ = call(capsys, "check_budget")
    assert code == 2
    assert "run_load_test smoke" in out


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 0),
        ({"intended_latency_ms": {**LATENCY, "p99": 5000.0}}, 0),
        ({"intended_latency_ms": {**LATENCY, "p95": 5000.0}}, 1),
        ({"error_rate": None}, 2),
    ],
)
def test_check_budget_exit_codes(capsys, changes, expected):
    budgets.evaluate(run_with(**changes))
    code, out, _ = call(capsys, "check_budget", "--format", "json")
    told = json.loads(out)
    assert (code, told["exit_code"]) == (expected, expected)
    assert {each["outcome"] for each in told["budgets"]} <= set(Evaluation.Outcome.values)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "changes", [{"verdict": "invalid"}, {"state": "lost"}, {"state": "failed"}]
)
def test_check_budget_never_passes_what_is_not_valid(capsys, changes):
    run = run_with()
    LoadRun.objects.filter(pk=run.pk).update(**changes)
    code, _, _ = call(capsys, "check_budget")
    assert code == 2


@pytest.mark.django_db
def test_check_budget_shows_each_budget_with_its_margin(capsys):
    budgets.evaluate(run_with())
    _, out, _ = call(capsys, "check_budget")
    for part in ("p95 latency", "10.0 ms", "< 500 ms", "within the limit by 98%", "throughput"):
        assert part in out


@WHOLE
def test_analyze_db_finds_a_table_that_is_read_whole(capsys):
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE ill AS SELECT n, n % 7 AS k FROM generate_series(1, 20000) n")
        cursor.execute("ANALYZE ill")
        for _ in range(60):
            cursor.execute("SELECT count(*) FROM ill WHERE k = 3")
        tell_counters(cursor)
        cursor.execute("SELECT 1")
    try:
        code, out, _ = call(
            capsys, "analyze_db", "--fail-on", "warning", "--only", "sequential_scans"
        )
        again, as_json, _ = call(capsys, "analyze_db", "--format", "json", "--no-store")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE ill")
    assert code == 1, out
    assert "public.ill (20,000 rows) was read whole" in out
    assert "share of all scans" in out
    told = json.loads(as_json)
    assert again in {0, 1}
    assert told["id"] is None
    assert Analysis.objects.count() == 1


@WHOLE
def test_analyze_db_says_what_is_missing_and_what_mends_it(capsys):
    with connection.cursor() as cursor:
        cursor.execute("DROP EXTENSION IF EXISTS pg_stat_statements")
    code, out, _ = call(capsys, "analyze_db", "--only", "slow_queries")
    assert code == 0
    assert "CREATE EXTENSION pg_stat_statements;" in out


@pytest.mark.django_db
def test_analyze_db_of_an_unknown_database_could_not_analyse(capsys):
    code, _, err = call(capsys, "analyze_db", "--database", "nothing")
    assert code == 2
    assert "default" in err


@WHOLE
def test_the_task_fills_the_row_that_a_page_has_made():
    analysis = analyses.request_analysis()
    tasks.analyse_database(analysis_id=analysis.pk)
    analysis.refresh_from_db()
    assert analysis.state == "finished"
    assert snapshots.read(snapshots.of_analysis(analysis)).tables
    tasks.analyse_database()
    assert Analysis.objects.latest("pk").baseline is None
    # An hour is over: now the window reaches back to the first that is so old.
    an_hour = timedelta(hours=1, minutes=1)
    StoredSnapshot.objects.update(taken_at=F("taken_at") - an_hour)
    tasks.analyse_database()
    assert Analysis.objects.latest("pk").baseline_id == analysis.pk + 1


@WHOLE
def test_an_analysis_that_fails_says_so_in_its_row(settings):
    analysis = analyses.request_analysis()
    was = connection.settings_dict
    try:
        connection.settings_dict = {**was, "PORT": "1"}
        with pytest.raises(analyses.CouldNotAnalyse, match="does not answer"):
            tasks.analyse_database(analysis_id=analysis.pk)
    finally:
        connection.settings_dict = was
    analysis.refresh_from_db()
    assert analysis.state == "failed"
    assert "does not answer" in analysis.error


@pytest.mark.django_db
def test_the_task_executes_a_run_once():
    run = LoadRun.objects.create(scenario="smoke", target="http://127.0.0.1:9", state="canceled")
    tasks.execute_run(run.pk)
    run.refresh_from_db()
    assert run.state == "canceled"


@pytest.mark.django_db
def test_the_schedules_are_in_the_database():
    from django_celery_beat.models import PeriodicTask

    planned = {
        task.name: (task.task, json.loads(task.kwargs)) for task in PeriodicTask.objects.all()
    }
    assert planned["perfops: weekly analysis"] == (
        "perfops.analyse_database", {"database": "default"},
    )  # fmt: skip
    assert planned["perfops: daily smoke run"] == ("perfops.scheduled_run", {"scenario": "smoke"})
    assert "perfops: monthly stress run" in planned
    assert planned["perfops: lost runs"][0] == "perfops.reap_lost_runs"


OURS = [name for name, app in get_commands().items() if app == "perfops"]


@pytest.mark.parametrize("name", OURS)
def test_a_database_that_does_not_answer_is_no_traceback_in_any_command(name, capsys, monkeypatch):
    def away(*args, **options):
        raise OperationalError("connection refused")

    command = load_command_class("perfops", name)
    monkeypatch.setattr(command, "handle", away)
    with pytest.raises(SystemExit) as ended:
        command.execute(force_color=False, no_color=True, skip_checks=True)
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("The database can't be used: connection refused")
    assert "Traceback" not in captured.err


@pytest.mark.parametrize("command", ["analyze_db", "perfops_task take_snapshot"])
@pytest.mark.django_db
def test_a_database_that_is_not_postgresql_can_not_tell(command, capsys, monkeypatch):
    lite = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    monkeypatch.setitem(connections.settings, "lite", {**connections.settings["default"], **lite})
    with pytest.raises(SystemExit) as ended:
        call_command(*command.split(), "--database", "lite")
    assert ended.value.code == 2
    assert "it is sqlite" in capsys.readouterr().err


@pytest.mark.django_db
def test_a_written_migration_whose_model_was_not_edited_is_told(capsys, monkeypatch):
    finding = Finding.objects.create(
        database="default", fingerprint="not-edited", advisor="missing_index", object="x",
        severity="warning", title="An index on it", why="", remedy="",
        first_seen_at=timezone.now(), last_seen_at=timezone.now(), status="resolved",
    )  # fmt: skip
    Recommendation.objects.create(
        finding=finding, kind="add", index_schema="public", index_name="perfops_plan_newest",
        app_label="perfops", migration_name="0005_query_origins",
        migration="operations = [AddIndexConcurrently(model_name='queryplan', ...)]",
        meta="models.Index(fields=['x'], name='perfops_plan_newest'),", applied_at=timezone.now(),
    )  # fmt: skip
    assert call(capsys, "advise_indexes")[0] == 0
    monkeypatch.setattr(QueryPlan._meta, "indexes", [])
    code, out, _ = call(capsys, "advise_indexes")
    assert code == 1
    assert "the next makemigrations would undo it" in out
    line = re.search(r"Edit perfops.QueryPlan in (\S+), line (\d+):", out)
    assert line[1].endswith("perfops/models/origins.py")
    assert "+++ b/" in out


@pytest.mark.django_db
def test_perfops_start_says_what_is_missing_in_order_and_where_to_begin(
    capsys, monkeypatch, settings
):
    settings.PERFOPS = {**settings.PERFOPS, "ORIGINS": True}
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if "perfops" not in each]
    found = report(*(advice(number=n) for n in (1, 2)), missing=(MISSING,))
    monkeypatch.setattr(analyses, "analyse", lambda **_: found)
    code, out, _ = call(capsys, "perfops_start")
    assert code == 1
    steps = ["origin_middleware is not in MIDDLEWARE", "pg_stat_statements: it is not there",
             "CREATE EXTENSION x;", "No request or task was counted yet",
             "Worth doing first", "title 1", 'ANALYZE "t1";', "title 2"]  # fmt: skip
    places = [out.find(step) for step in steps]
    assert -1 not in places, out
    assert places == sorted(places)
    assert out.startswith("1. ")


@pytest.mark.django_db
def test_perfops_start_before_the_first_migration_says_so(capsys):
    MigrationRecorder.Migration.objects.filter(app="perfops").delete()
    code, out, _ = call(capsys, "perfops_start")
    assert (code, "python manage.py migrate" in out) == (2, True)


def test_perfops_without_its_database_says_so_in_the_same_five_lines(capsys, monkeypatch):
    def away(*args):
        raise OperationalError("connection refused")

    monkeypatch.setattr(overview, "collect", away)
    code, out, _ = call(capsys, "perfops")
    lines = out.splitlines()
    assert (code, len(lines)) == (2, 5)
    assert lines[0].startswith("Not known: The database can't be used: connection refused. Is it")
    code, out, _ = call(capsys, "perfops", "--format", "json")
    told = json.loads(out)
    assert (code, told["state"], told["budgets"]) == (2, "odd", "not known.")


@pytest.mark.django_db
def test_perfops_lists_what_its_headline_leaves_out(capsys):
    run = run_with(intended_latency_ms={**LATENCY, "p95": 900.0}, error_rate=0.5)
    budgets.evaluate(run)
    _, out, _ = call(capsys, "perfops")
    headline, *lines = out.splitlines()
    number = int(re.search(r"And (\d+) more below\.$", headline)[1])
    assert any("error rate is" in line for line in lines[:number])
    assert lines[number].startswith("Last run: ")


@pytest.mark.django_db
def test_perfops_alone_says_in_five_lines_whether_all_is_well(capsys):
    code, out, _ = call(capsys, "perfops")
    lines = out.splitlines()
    assert code == 2
    assert lines[0] == "Not known yet: nothing was measured so far."
    assert [line.partition(":")[0] for line in lines[1:]] == [
        "Last run", "Budgets", "Findings", "Now",
    ]  # fmt: skip
    run = run_with(intended_latency_ms={**LATENCY, "p95": 900.0})
    budgets.evaluate(run)
    code, out, _ = call(capsys, "perfops", "--format", "json")
    told = json.loads(out)
    assert (code, told["state"]) == (1, "bad")
    assert re.fullmatch(r"\d of \d hold(, \d not judged yet)?\.", told["budgets"])
    assert told["headline"].startswith(f"Not fine: p95 latency is 900 ms in run {run.pk}")
    assert told["last_run"].startswith(f"{run.pk} (api-load), not judged")
