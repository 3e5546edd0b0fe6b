"""The first page: fine or not, why, and what to do, in few queries however long the history."""

import re
from dataclasses import replace
from datetime import UTC, timedelta

import msgspec
import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection
from django.db.backends.signals import connection_created
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from perfops import overview as state
from perfops import panels, schedules
from perfops.analysis import findings, triage
from perfops.analysis.collectors.records import UnavailableSource
from perfops.analysis.collectors.states import Connections, Session
from perfops.analysis.incidents import Incident
from perfops.analysis.sessions import Present
from perfops.budgets import services as budgets
from perfops.budgets.selectors import latest
from perfops.models import (
    Analysis,
    Budget,
    Evaluation,
    Finding,
    LoadRun,
    QueryTemplate,
    Recommendation,
    ScheduleOutcome,
    ScopeTotal,
)
from perfops.models.decisions import Waiver
from tests.explain import rows_read
from tests.perfops.admin.test_pages import ADVICE, asked
from tests.perfops.budgets.test_verdicts import run_with

pytestmark = pytest.mark.django_db
MOST_QUERIES = 20


def overview(client):
    return " ".join(client.get(reverse("admin:index")).content.decode().split())


@pytest.fixture
def measured():
    """Two runs, the second worse; an analysis whose two findings have one cause."""
    runs = []
    for p95 in (40.0, 900.0):
        run = run_with()
        run.summary["intended_latency_ms"]["p95"] = p95
        run.verdict = "pass"
        run.save()
        budgets.evaluate(run)
        runs.append(run)
    analysis = Analysis.objects.create(state="finished")
    findings.record(analysis, [ADVICE], incidents=[Incident((ADVICE,), 0.5, "")])
    ScopeTotal.objects.create(
        database="default", kind="request", name="GET /x", span="hour", at=timezone.now(),
        executions=10, calls=20, total_ms=120_000, max_calls_per_execution=2, repeated_calls=0,
    )  # fmt: skip
    return runs


@pytest.fixture
def punctual():
    """Beat has just sent everything."""
    PeriodicTask.objects.update(last_run_at=timezone.now())


def test_an_overview_of_nothing_says_what_to_do_first(admin_client):
    page = overview(admin_client)
    assert "Not known yet: nothing was measured so far." in page
    assert f'action="{reverse("admin:perfops_analysis_start")}"' in page
    assert f'href="{reverse("admin:perfops_loadrun_start")}">Start a load run</a>' in page
    assert "manage.py run_load_test smoke" in page


LACKING = UnavailableSource(
    "statements", "pg_stat_statements is not installed", "No queries are seen.",
    "CREATE EXTENSION pg_stat_statements;",
)  # fmt: skip


@pytest.mark.parametrize(
    ("role", "commands", "whom"),
    [
        ("viewer", [False, False], {"an operator", "an administrator"}),
        ("operator", [True, False], {"an administrator"}),
        ("administrator", [True, True], set()),
    ],
)
def test_a_step_is_for_who_can_do_it_and_others_are_told_whom_to_ask(client, role, commands, whom):
    Analysis.objects.create(
        state="finished", finished_at=timezone.now(), missing=msgspec.to_builtins([LACKING])
    )
    user = User.objects.create_user("someone", password="x", is_staff=True)
    user.groups.add(Group.objects.get(name=f"performance {role}"))
    client.force_login(user)
    page = overview(client)
    assert "pg_stat_statements is not installed" in page
    shown = ["manage.py run_load_test smoke" in page, "CREATE EXTENSION" in page]
    assert shown == commands
    assert {each for each in ("an operator", "an administrator") if f"Ask {each}." in page} == whom


@pytest.mark.usefixtures("punctual")
def test_what_is_not_fine_is_said_first_and_with_what_to_do(admin_client, measured):
    page = overview(admin_client)
    first, second = measured
    assert (
        f"Not fine: p95 latency is 900 ms in run {second.pk}, and its budget is &lt; 500 ms" in page
    )
    # Half of 120 s; nothing proved more or less.
    assert "A fix saves at most 60 seconds a day" in page
    assert "<strong>What to do:</strong> remedy" in page
    for url in (
        reverse("admin:perfops_loadrun_change", args=[first.pk]),
        reverse("admin:perfops_loadrun_compare", args=[second.pk]),
        reverse("admin:perfops_finding_change", args=[findings.Finding.objects.get().pk]),
        reverse("admin:perfops_analysis_now"),
    ):
        assert f'href="{url}' in page


@pytest.mark.usefixtures("punctual")
def test_what_a_recommendation_has_proved_bounds_what_it_saves(admin_client, measured):
    Recommendation.objects.create(finding=findings.Finding.objects.get(), kind="add", gain=0.5)
    assert "A fix saves about 30 seconds a day" in overview(admin_client)


@pytest.mark.usefixtures("punctual", "measured")
def test_an_incident_says_where_it_is_what_fixes_it_and_that_it_came_back(admin_client):
    finding = findings.Finding.objects.get()
    finding.evidence = [["line", "shop/views.py:9 in shelf"], ["calls", 400]]
    finding.statement, finding.reopened = "CREATE INDEX x ON y (z);", 2
    finding.save()
    Recommendation.objects.create(finding=finding, kind="add", gain=0.5)
    page = overview(admin_client)
    assert "Where: <code>shop/views.py:9 in shelf</code>" in page
    assert "CREATE INDEX x ON y (z);" in page
    assert ">The proof, the edit and the migration</a>" in page
    assert "opened again 2 times" in page


def alone(run):
    """Leave this run alone, well within its budgets, and no finding open. Returns it."""
    LoadRun.objects.exclude(pk=run.pk).delete()
    run.summary["intended_latency_ms"]["p95"] = 40.0
    run.save()
    budgets.evaluate(run)
    Finding.objects.update(status="acknowledged")
    return run


@pytest.mark.usefixtures("punctual")
def test_what_is_not_known_or_no_longer_is_not_called_fine(admin_client, measured, settings):
    settings.PERFOPS = {**settings.PERFOPS, "OVERVIEW_PANELS": ()}
    run = alone(measured[-1])
    gate = Evaluation.objects.filter(run=run, outcome="met", budget__action="fail")[:1]
    Evaluation.objects.filter(pk__in=gate.values("pk")).update(outcome="unknown")
    assert "to look at: 1 budget could not be judged by any run yet: " in overview(admin_client)
    Evaluation.objects.filter(outcome="unknown").update(outcome="met")
    assert "Fine: every budget holds" in overview(admin_client)
    LoadRun.objects.filter(pk=run.pk).update(verdict="invalid")
    said = f"to look at: Run {run.pk} ({run.scenario}), the newest, is invalid: it proves nothing."
    assert said in overview(admin_client)
    LoadRun.objects.filter(pk=run.pk).update(verdict="pass")
    Analysis.objects.update(created_at=timezone.now() - timedelta(days=16))
    assert "Fine, with something to look at: The last analysis was 16 days ago." in overview(
        admin_client
    )
    Analysis.objects.all().delete()
    assert "No analysis has ended yet." in overview(admin_client)


@pytest.mark.usefixtures("punctual")
def test_what_no_run_asked_enough_for_is_a_next_step_and_no_alarm(
    admin_client, measured, settings, capsys
):
    """A smoke run offers too little for the throughput wanted; stress comes once a month."""
    settings.PERFOPS = {**settings.PERFOPS, "OVERVIEW_PANELS": ()}
    alone(measured[-1])
    Evaluation.objects.filter(budget__metric="throughput").update(
        outcome="unknown", reason="The run offered 17 req/s at most."
    )
    Evaluation.objects.filter(outcome="unknown").exclude(budget__metric="throughput").update(
        outcome="met"
    )
    page = overview(admin_client)
    number = Budget.objects.filter(enabled=True).count()
    fine = f"Fine as far as measured: {number - 1} of {number} budgets were judged and hold"
    assert fine in page
    assert "No run could judge throughput yet. The run offered 17 req/s at most." in page
    assert f'href="{reverse("admin:perfops_loadrun_start")}">Start a load run' in page
    with pytest.raises(SystemExit) as ended:
        call_command("perfops")
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert fine in said
    assert f"Budgets: {number - 1} of {number - 1} hold, 1 not judged yet.\n" in said


@pytest.mark.usefixtures("punctual")
def test_of_each_database_the_newest_analysis_counts_and_is_named(
    admin_client, measured, monkeypatch, capsys
):
    """Whatever was analysed last: here ``other``, once, and then ``default`` many times."""
    databases = ["default", "other"]
    monkeypatch.setattr("perfops.overview.sessions.databases", lambda: databases)
    monkeypatch.setattr(
        "perfops.overview.sessions.now", lambda _: Present(None, (), (), [], "refused")
    )
    first = Analysis.objects.create(
        state="finished", database="other", missing=msgspec.to_builtins([LACKING])
    )
    issue = replace(ADVICE, title="Other's trouble")
    findings.record(first, [issue], incidents=[Incident((issue,), 0.1, "")])
    ScopeTotal.objects.create(
        database="other", kind="request", name="GET /x", span="hour", at=timezone.now(),
        executions=10, calls=20, total_ms=50_000, max_calls_per_execution=2, repeated_calls=0,
    )  # fmt: skip
    mine = Analysis.objects.filter(database="default").latest("pk")
    page = overview(admin_client)
    # Each by its own database's time: half of 120 s, and a tenth of 50 s.
    for saved, name in (("60 seconds", "default"), ("5 seconds", "other")):
        assert re.search(rf"at most {saved} a day .{{,400}}in {name}, seen", page)
    for each in (mine, first):
        assert f">analysis {each.pk} of {each.database}</a>" in page
    assert "statements of other: pg_stat_statements is not installed" in page
    with pytest.raises(SystemExit):
        call_command("perfops")
    assert f"; analysis {first.pk} of other, " in " ".join(capsys.readouterr().out.split())
    Analysis.objects.bulk_create(Analysis(state="failed") for _ in range(30))
    assert "in other, seen" in overview(admin_client)
    databases.remove("other")
    page = overview(admin_client)
    assert "trouble" not in page
    assert f">analysis {mine.pk}</a>" in page


def test_an_acknowledged_problem_needs_no_attention(admin_client, measured):
    triage.acknowledge([findings.Finding.objects.get().pk])
    assert "The last analysis left no problem open." in overview(admin_client)


def test_a_schedule_that_beat_does_not_keep_is_late(admin_client):
    PeriodicTask.objects.update(last_run_at=timezone.now() - timedelta(days=40))
    page = overview(admin_client)
    assert "Is Celery beat running?" in page
    assert "late</span>" in page
    task = PeriodicTask.objects.exclude(name__startswith="celery.").earliest("name")
    form = reverse("admin:django_celery_beat_periodictask_change", args=[task.pk])
    assert f'<a href="{form}">{task.name}</a>' in page


def test_what_was_due_while_beat_was_off_is_not_late_once_it_runs_again(admin_client):
    """Beat writes the first that it sends at once, and the others minutes later."""
    PeriodicTask.objects.update(last_run_at=timezone.now() - timedelta(hours=5))
    PeriodicTask.objects.filter(name=schedules.REAPER).update(last_run_at=timezone.now())
    page = overview(admin_client)
    assert "Is Celery beat running?" not in page
    assert "late</span>" not in page
    assert "put off</span>" in page


@pytest.mark.usefixtures("punctual")
def test_a_schedule_that_failed_or_that_no_worker_executed_says_so_and_needs_attention(
    admin_client, capsys
):
    names = "perfops: hourly snapshot", "perfops: weekly analysis", "perfops: nightly A/A test"
    snapshot, analysis, off = names
    now = timezone.now()
    PeriodicTask.objects.filter(name=off).update(enabled=False)
    PeriodicTask.objects.filter(name=analysis).update(last_run_at=now - timedelta(hours=2))
    ScheduleOutcome.objects.bulk_create(
        [
            ScheduleOutcome(name=snapshot, ended_at=now, error="OSError: <no> disk"),
            ScheduleOutcome(name=analysis, ended_at=now - timedelta(days=8)),
            ScheduleOutcome(name=off, ended_at=now, error="OSError: <no> disk"),
        ]
    )
    page = overview(admin_client)
    assert re.search(r'<a href="#schedules">perfops: hourly snapshot failed the last time: ', page)
    assert "OSError: &lt;no&gt; disk.</a>" in page
    assert f"{analysis} missed the last time: No worker has executed it." in page
    assert f"{off} failed" not in page
    row = page[page.index('id="schedules"') :]
    assert 'failed</span> <span class="po-note">OSError: &lt;no&gt; disk' in row
    with pytest.raises(SystemExit):
        call_command("perfops")
    assert "0 late schedules, 2 failed." in capsys.readouterr().out
    ScheduleOutcome.objects.filter(name=snapshot).update(error="")
    assert "hourly snapshot failed" not in overview(admin_client)


def test_the_next_time_of_a_schedule_is_the_minute_that_it_names():
    found = {each.name: each.next_at for each in state.collect().scheduled}
    smoke = found["perfops: daily smoke run"]
    assert (smoke.astimezone(UTC).hour, smoke.minute, smoke.second) == (3, 0, 0)


def test_a_run_that_no_worker_takes_says_so(admin_client):
    run = LoadRun.objects.create(scenario="smoke", target="http://127.0.0.1:1")
    LoadRun.objects.update(created_at=timezone.now() - timedelta(minutes=4))
    page = overview(admin_client)
    assert f"Run {run.pk} (smoke) has waited for a worker for 4 minutes." in page
    assert "Start a worker" in page


def test_sessions_that_wait_and_a_database_that_is_away_are_not_fine(admin_client, monkeypatch):
    waiting = Session(
        7, "x", "x", "", "", "active", 9.0, 9.0, 40.0, "Lock", "SELECT 1", blocked_by=(8,)
    )
    present = {"default": Present(None, (waiting,), (), [], "refused")}
    monkeypatch.setattr("perfops.overview.sessions.now", present.__getitem__)
    page = overview(admin_client)
    assert "Not fine: The database default does not answer: refused." in page
    assert "1 session of default waits for a lock, for up to 40 seconds." in page


def test_each_reason_leads_to_its_cause(admin_client, measured, monkeypatch):
    waiting = Session(
        7, "x", "x", "", "", "active", 9.0, 9.0, 40.0, "Lock", "SELECT 1", blocked_by=(8,)
    )
    used = Connections(maximum=100, reserved=3, used=96, idle=90)
    monkeypatch.setattr(
        "perfops.overview.sessions.now", lambda name: Present(used, (waiting,), (), [], "")
    )
    ended_at = timezone.now() - timedelta(days=1)
    Waiver.objects.create(budget="p95 latency", reason="known", ends_at=ended_at)
    Waiver.objects.update(created_at=ended_at - timedelta(days=1))
    PeriodicTask.objects.update(last_run_at=timezone.now() - timedelta(days=40))
    analysis = Analysis.objects.create(state="finished")
    findings.record(analysis, [replace(ADVICE, severity="error")])
    Analysis.objects.update(created_at=timezone.now() - timedelta(days=20))
    budget = Evaluation.objects.filter(outcome="violated").latest("pk").budget_id
    page = overview(admin_client)
    for text, name, args, query in (
        ("96 of 97 connections of default are taken.", "analysis_now", [], "?database=default"),
        ("1 session of default waits for a lock", "analysis_now", [], "?database=default"),
        ("p95 latency is 900 ms", "budget_change", [budget], ""),
        ("1 error is open", "finding_changelist", [], "?severity=error"),
        ("The last analysis was 20 days ago.", "analysis_changelist", [], ""),
    ):
        url = reverse(f"admin:perfops_{name}", args=args) + query
        assert re.search(rf'<a href="{re.escape(url)}">[^<]*{re.escape(text)}', page), text
    assert re.search(r'<a href="#schedules">[^<]*Is Celery beat running', page)
    assert 'id="schedules"' in page
    # The waiver has ended, and says so where the budget fails.
    assert re.search(r"its budget is &lt; 500 ms. Its waiver ended on .* known", page)
    shown = admin_client.get(reverse("admin:perfops_budget_change", args=[budget]))
    assert "has ended" in shown.content.decode()


def test_a_panel_that_fails_costs_itself(admin_client, settings):
    settings.PERFOPS = {**settings.PERFOPS, "OVERVIEW_PANELS": [f"{__name__}.broken_panels"]}
    page = overview(admin_client)
    assert "broken_panels raised ZeroDivisionError" in page
    assert "Not known yet" in page


def broken_panels(request):
    return 1 // 0


def test_the_cache_and_the_workers_of_midst_are_on_it(admin_client):
    page = overview(admin_client)
    assert f'<a href="{reverse("admin:cache")}">Cache</a>' in page
    assert "Hit rate" in page
    assert "no sign of life" in page or "alive" in page


def test_the_overview_takes_few_queries_and_reads_no_year(admin_client, measured):
    now = timezone.now()
    LoadRun.objects.bulk_create(
        LoadRun(scenario="smoke", target="http://127.0.0.1:1", state="finished", log="x" * 50)
        for _ in range(400)
    )
    Analysis.objects.bulk_create(Analysis(state="finished") for _ in range(400))
    ScopeTotal.objects.bulk_create(
        ScopeTotal(
            database="default", kind="request", name=f"GET /{n % 10}", span="day",
            at=now - timedelta(days=2 + n // 10), executions=1, calls=1, total_ms=1,
            max_calls_per_execution=1, repeated_calls=0,
        )
        for n in range(3600)
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE perfops_loadrun, perfops_analysis, perfops_scopetotal")
    with CaptureQueriesContext(connection) as found:
        page = admin_client.get(reverse("admin:app_list", args=["perfops"]))
    assert page.status_code == 200
    statements = [each["sql"] for each in found]
    assert len(statements) <= MOST_QUERIES
    for table, most in (("loadrun", 100), ("analysis", 20), ("scopetotal", 20)):
        assert rows_read(statements, f"perfops_{table}") <= most, table


@pytest.mark.parametrize("role", ["viewer", "administrator"])
def test_the_first_visit_after_a_sign_in_takes_few_queries_too(client, measured, role):
    """The session, the user, groups and permissions; and nothing that the process knows yet."""
    user = User.objects.create_user("someone", password="a-long-word", is_staff=True)
    user.groups.add(Group.objects.get(name=f"performance {role}"))
    ContentType.objects.clear_cache()
    form = {"username": "someone", "password": "a-long-word"}
    assert client.post(reverse("admin:login"), form).status_code == 302
    ContentType.objects.clear_cache()
    sent = []

    def count(execute, sql, params, many, context):
        sent.append(sql)
        return execute(sql, params, many, context)

    def watch(connection, **_):
        connection.execute_wrappers.append(count)

    # Those of the connection that looks at the server too.
    connection_created.connect(watch)
    with connection.execute_wrapper(count):
        page = client.get(reverse("admin:index"))
    connection_created.disconnect(watch)
    assert "po-overview" in page.content.decode()
    assert any("pg_stat_activity" in each for each in sent)
    assert len(sent) <= MOST_QUERIES, "\n".join(each[:150] for each in sent)


PAGES = {
    "Runs": "loadrun_changelist", "Budgets": "budget_changelist", "Waivers": "waiver_changelist",
    "Findings": "finding_changelist",
    "Analyses": "analysis_changelist", "Queries": "querytemplate_changelist",
    "Statements per request": "scopetotal_changelist", "Connections and locks": "analysis_now",
    "Monitoring": "pipeline",
}  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
def test_every_page_leads_to_every_other_one_and_says_where_it_is(admin_client, name):
    page = admin_client.get(reverse(f"admin:perfops_{PAGES[name]}")).content.decode()
    for other, url in PAGES.items():
        here = ' aria-current="page"' if other == name else " "
        assert f'<a href="{reverse(f"admin:perfops_{url}")}"{here}' in page, other


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("Cache", "cache"),
        ("Tasks", "tasks"),
        ("Schedules", "django_celery_beat_periodictask_changelist"),
    ],
)
def test_the_projects_own_pages_are_in_the_navigation_for_who_may_see_them(
    admin_client, client, name, page
):
    here = f'<a href="{reverse(f"admin:{page}")}" aria-current="page">{name}</a>'
    assert here in admin_client.get(reverse(f"admin:{page}")).content.decode()
    user = User.objects.create_user("someone", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_budget"))
    client.force_login(user)
    budgets = client.get(reverse("admin:perfops_budget_changelist")).content.decode()
    assert 'class="po-nav"' in budgets
    assert f'href="{reverse(f"admin:{page}")}"' not in budgets


def test_a_page_of_the_project_that_is_not_there_is_left_out(admin_client, settings):
    settings.PERFOPS = {**settings.PERFOPS, "NAVIGATION": [("Gone", "shop:gone", "a.b")]}
    assert "Gone" not in overview(admin_client)


def test_pages_below_a_list_have_the_navigation_too(admin_client, measured):
    asked(measured[0])
    finding, analysis = findings.Finding.objects.get(), Analysis.objects.get()
    for name, key, part in (
        ("loadrun_change", measured[0].pk, "Runs"), ("loadrun_delete", measured[0].pk, "Runs"),
        ("finding_change", finding.pk, "Findings"), ("budget_change", 1, "Budgets"),
        ("budget_history", 1, "Budgets"), ("analysis_change", analysis.pk, "Analyses"),
        ("querytemplate_change", QueryTemplate.objects.get().pk, "Queries"),
    ):  # fmt: skip
        page = admin_client.get(reverse(f"admin:perfops_{name}", args=[key])).content.decode()
        assert f'aria-current="page">{part}</a>' in page, name


def test_under_a_theme_without_django_s_block_above_the_title_the_navigation_is_there(
    admin_client, measured, monkeypatch
):
    """django-unfold has the block of messages, and none above the title."""
    page = reverse("admin:perfops_pipeline")
    assert admin_client.get(page).content.decode().count('class="po-nav"') == 1
    monkeypatch.setattr(apps, "is_installed", lambda name: name == "unfold")
    without = admin_client.get(page).content.decode().partition('<div id="content"')[0]
    assert without.count('class="po-nav"') == 1
    assert '<h1 class="po-heading">Monitoring pipeline</h1>' in without


def test_as_many_findings_are_open_as_their_list_shows(admin_client, measured, capsys):
    """No incident shows what is set apart: the number says so, and is the list's."""
    seeding = replace(ADVICE, object="public.seeded")
    findings.record(
        Analysis.objects.create(state="finished"), [ADVICE, seeding],
        incidents=[Incident((ADVICE,), 0.5, ""), Incident((seeding,), None, "seed")],
    )  # fmt: skip
    page = overview(admin_client)
    assert "2 warnings open, 1 of them set apart" in page
    assert page.count('<article class="po-card') == 1
    with pytest.raises(SystemExit):
        call_command("perfops")
    assert "Findings: 2 warnings open, 1 of them set apart; " in capsys.readouterr().out
    listed = admin_client.get(reverse("admin:perfops_finding_changelist"))
    assert listed.context["cl"].result_count == 2


def test_who_may_see_a_part_sees_links_to_it_and_no_overview(client):
    user = User.objects.create_user("someone", password="x", is_staff=True)
    client.force_login(user)
    assert "po-" not in overview(client).partition('<div id="content"')[2]
    user.user_permissions.set(Permission.objects.filter(codename="view_budget"))
    page = overview(client)
    assert "you may not see all of these" in page
    assert reverse("admin:perfops_budget_changelist") in page
    assert f'"{reverse("admin:perfops_loadrun_changelist")}"' not in page


def test_times_have_one_form_on_every_page_and_say_utc_when_pointed_at(admin_client, measured):
    run, finding = measured[0], findings.Finding.objects.get()
    waiver = Waiver.objects.create(budget="p95 latency", reason="x", ends_at=timezone.now())
    for name, key, at in (
        ("loadrun_change", [run.pk], run.created_at),
        ("finding_change", [finding.pk], finding.first_seen_at),
        ("analysis_change", [finding.last_analysis_id], finding.last_analysis.created_at),
        ("waiver_changelist", [], waiver.ends_at),
    ):
        page = admin_client.get(reverse(f"admin:perfops_{name}", args=key)).content.decode()
        shown = f'title="{at:%Y-%m-%d %H:%M:%S} UTC">{at:%Y-%m-%d %H:%M} UTC</time>'
        assert shown in page, name


def silent_panels(request):
    return [{"title": "Tasks", "kind": "bad", "text": "no worker", "facts": [], "url": ""}]


def test_what_a_panel_says_counts_on_the_page_and_in_the_terminal(settings):
    settings.PERFOPS = {**settings.PERFOPS, "OVERVIEW_PANELS": [f"{__name__}.silent_panels"]}
    found = state.collect(panels.collect())
    assert found.kind == "bad"
    assert "Tasks: no worker." in {each.text for each in found.reasons}


def test_budgets_are_sorted_by_the_columns_that_the_page_shows(admin_client, measured):
    """Columns: the box to select, then the budget, target, threshold, action, latest, margin."""

    def names(order):
        page = admin_client.get(reverse("admin:perfops_budget_changelist"), {"o": order})
        assert page.status_code == 200
        return [str(each) for each in page.context["cl"].result_list]

    by_name = sorted(names(""), key=str.lower)
    assert names("1") == by_name
    assert names("-1") == by_name[::-1]
    margins = {each.name: each.margin for each in latest().values()}
    measured_ones = [margins[name] for name in names("6") if margins.get(name) is not None]
    assert measured_ones == sorted(measured_ones)
