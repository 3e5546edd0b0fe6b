"""The pages of perfops: whole in every state, few queries, and permissions of their own."""

import html
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.db.models import PROTECT, RESTRICT
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from perfops.admin import runs as runs_page
from perfops.admin.pages import SharedFragments
from perfops.analysis import findings
from perfops.analysis.advisors.detection import DetectedIssue
from perfops.budgets import services as budgets
from perfops.models import (
    Analysis,
    Budget,
    BudgetChange,
    Evaluation,
    Finding,
    LoadRun,
    QueryTemplate,
    RouteResult,
    RunRoute,
    RunStatement,
    Sample,
)
from perfops.statistics import scalability
from tests.perfops.budgets.test_verdicts import run_with
from tests.perfops.statistics.test_scalability import seconds_of

pytestmark = pytest.mark.django_db
MOST_QUERIES = 20
ADVICE = DetectedIssue(
    "unused_indexes", "public.x", "warning", "Index x is unused", "why <b>", "remedy",
    statement='DROP INDEX "x";', evidence={"scans": 0},
)  # fmt: skip


def url(name, *arguments):
    return reverse(f"admin:perfops_{name}", args=arguments)


def asked(run):
    """What the requests of ``run`` asked of the database: a list that asks for each row's owner."""
    route = "GET /api/v1/shelves/{shelf}/books/"
    template = QueryTemplate.objects.create(
        id=7, database="default", queryids=["7"], first_seen_at=timezone.now(),
        text='SELECT "auth_user"."id" FROM "auth_user" WHERE "auth_user"."id" = %s LIMIT 21',
    )  # fmt: skip
    RunRoute.objects.create(run=run, name=route, requests=4, calls=80, total_ms=40, rows=80)
    RunRoute.objects.create(run=run, name="GET /health", requests=6, calls=0, total_ms=0, rows=0)
    RunStatement.objects.create(
        run=run, template=template, site="shop/views.py:7", function="shelf", name=route,
        relation="admin.LogEntry.user", calls=80, total_ms=40, rows=80, executions=4,
        max_calls_per_execution=20, repeated_executions=4, repeated_calls=80,
    )  # fmt: skip


@pytest.fixture
def measured_run():
    run = run_with()
    run.plan = {"duration_s": 50.0, "requests": 5000, "peak_rate": 1500, "max_vus": 10}
    run.started_at = timezone.now() - timedelta(seconds=60)
    run.finished_at = timezone.now()
    run.server = {
        "db_cache_hit_rate": 0.99, "queries": 10, "rows": 20, "queries_per_request": 0.5,
        "wal_bytes": 1024**2, "temp_bytes": 0,
        "statements": [
            {"text": "SELECT <b>", "calls": 1, "total_ms": 2.0, "mean_ms": 2.0, "rows": 3}
        ],
        "missing": [{"source": "s", "reason": "r", "cost": "c", "mend": "CREATE EXTENSION x;"}],
    }  # fmt: skip
    run.fingerprint = {"commit": "abc", "rows": {"t": 5}, "dirty": None}
    run.verdict, run.reasons = "pass", ["Every budget holds."]
    run.save()
    for second in range(60):
        if second != 30:
            Sample.objects.create(
                run=run, second=second, requests=100, p50_ms=1, p95_ms=5, p99_ms=9, vus=3
            )
    for number in range(12):
        RouteResult.objects.create(
            run=run, route=f"/{number}", requests=10, p50_ms=1, p95_ms=number, p99_ms=9, max_ms=9
        )
    asked(run)
    budgets.evaluate(run)
    return run


@pytest.fixture
def finding():
    findings.record(Analysis.objects.create(state="finished", window_s=7200.0), [ADVICE])
    return Finding.objects.get()


def test_a_measured_run_shows_everything(admin_client, measured_run, django_assert_max_num_queries):
    with django_assert_max_num_queries(MOST_QUERIES):
        page = admin_client.get(url("loadrun_change", measured_run.pk)).content.decode()
    for part in (
        "pass", "Every budget holds.", "10.0 ms", "p95 latency", "within the limit by 98%",
        "Requests and errors per second", "Latency in ms", "/11", "SELECT &lt;b&gt;",
        "CREATE EXTENSION x;", "abc", "unknown",
    ):  # fmt: skip
        assert part in page
    assert page.count('<svg viewBox="0 0 720') == 3
    assert "<script>" not in page


def test_a_run_says_what_each_route_asked_which_line_and_what_fixes_an_n_plus_one(
    admin_client, measured_run
):
    page = admin_client.get(url("loadrun_change", measured_run.pk)).content.decode()
    text = " ".join(page.split())
    query = url("querytemplate_change", 7)
    assert '<td class="po-number">20.00</td>' in text
    assert f'<a href="{query}"><code class="po-sql">' in text
    assert "shop/views.py:7" in text
    assert "sends one statement on auth_user 20.0 times per request" in text
    assert "select_related(&#x27;user&#x27;)" in text
    # Why a route has two p95.
    assert "scheduled start" in text.partition("<h2>Budgets</h2>")[2][:300]
    RunRoute.objects.all().delete()
    text = admin_client.get(url("loadrun_change", measured_run.pk)).content.decode()
    assert "No request of this run was counted. Each process writes its counts every 30 s" in text


def test_a_stress_run_says_where_throughput_is_greatest_or_that_nothing_tells(
    admin_client, measured_run
):
    def shown(seconds):
        measured = scalability.points(list(seconds))
        measured_run.summary["scalability"] = scalability.as_row(
            measured, scalability.fit(measured)
        )
        measured_run.save()
        return admin_client.get(url("loadrun_change", measured_run.pk)).content.decode()

    page = shown(seconds_of((100.0, 0.02, 0.0005), 120, noise=0.02, seed=1))
    assert re.search(r"Throughput is greatest with 4\d\.\d \(4\d\.\d to 4\d\.\d\)", page)
    assert "Universal Scalability Law from" in page
    page = shown(seconds_of((100.0, 0.05, 0.0), 120, noise=0.02, seed=1))
    assert "No knee" in page
    assert "varied too little" in shown([(10.0, 100.0)] * 60)


def test_a_run_says_how_its_traces_are_found(admin_client, measured_run, settings):
    page = url("loadrun_change", measured_run.pk)
    attribute = f"perfops.run={measured_run.pk}"
    assert f"<dd>{attribute}</dd>" in admin_client.get(page).content.decode()
    settings.PERFOPS = {
        **settings.PERFOPS, "TRACES_URL": "http://traces/?run={run}&from={start}&to={end}",
    }  # fmt: skip
    start, end = (
        round(moment.timestamp() * 1_000_000)
        for moment in (measured_run.started_at, measured_run.finished_at)
    )
    address = f"http://traces/?run={measured_run.pk}&amp;from={start}&amp;to={end}"
    assert f'<a href="{address}">{attribute}</a>' in admin_client.get(page).content.decode()


@pytest.mark.parametrize("state", LoadRun.State.values)
@pytest.mark.parametrize("verdict", LoadRun.Verdict.values)
def test_a_run_is_shown_in_every_state_even_with_nothing_in_it(admin_client, state, verdict):
    run = LoadRun.objects.create(
        scenario="smoke", target="http://127.0.0.1:1", state=state, verdict=verdict,
        heartbeat_at=timezone.now(),
    )  # fmt: skip
    for name in ("loadrun_change", "loadrun_live"):
        answer = admin_client.get(url(name, run.pk))
        assert answer.status_code == 200
        assert (
            str(run.get_state_display() if state != "finished" else "") in answer.content.decode()
        )
    assert answer["X-Active"] == ("1" if state in LoadRun.ACTIVE else "0")


def test_a_run_that_goes_on_is_rendered_once_for_all_who_watch_it(
    client, admin_client, django_assert_num_queries, monkeypatch
):
    monkeypatch.setattr(runs_page, "_WATCHED", SharedFragments(for_s=3600))
    run = run_with()
    LoadRun.objects.filter(pk=run.pk).update(state="running", heartbeat_at=timezone.now())
    client.force_login(someone("view_loadrun"))
    first = admin_client.get(url("loadrun_live", run.pk))
    assert "running" in first.content.decode()
    # The session, the person, and what she may do: nothing of the run.
    with django_assert_num_queries(4):
        second = client.get(url("loadrun_live", run.pk))
    assert second.content == first.content
    same = client.get(url("loadrun_live", run.pk), headers={"If-None-Match": first["ETag"]})
    assert (same.status_code, same.content) == (304, b"")


def test_lists_take_the_same_queries_for_one_row_and_for_many(
    admin_client, django_assert_max_num_queries
):
    for number in range(25):
        run = run_with()
        if number % 2:
            budgets.evaluate(run)
        Analysis.objects.create()
    for name in ("loadrun", "analysis", "finding", "budget"):
        with django_assert_max_num_queries(10):
            assert admin_client.get(url(f"{name}_changelist")).status_code == 200


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("loadrun", "manage.py run_load_test smoke"),
        ("analysis", "manage.py analyze_db"),
        ("finding", "manage.py analyze_db"),
    ],
)
def test_an_empty_list_says_what_to_do(admin_client, name, text):
    assert text in admin_client.get(url(f"{name}_changelist")).content.decode()


def test_a_budget_shows_its_history(admin_client, measured_run, django_assert_max_num_queries):
    budget = Budget.objects.get(metric="latency_p95")
    with django_assert_max_num_queries(MOST_QUERIES):
        page = admin_client.get(url("budget_change", budget.pk)).content.decode()
    assert "over the last 1 run," in page
    assert "threshold &lt; 500 ms" in page


def test_a_budget_can_be_edited_and_keeps_who_changed_what_and_why(admin_client):
    budget = Budget.objects.get(metric="latency_p95")
    form = {
        "metric": "latency_p95", "route": "", "target": "250", "threshold": "400",
        "action": "warn", "enabled": "on", "why": "The new disk is faster.",
    }  # fmt: skip
    assert admin_client.post(url("budget_change", budget.pk), form).status_code == 302
    budget.refresh_from_db()
    assert (budget.target, budget.threshold, budget.action) == (250, 400, "warn")
    page = admin_client.get(url("budget_change", budget.pk)).content.decode()
    what = "target: &lt; 300 ms → &lt; 250 ms; threshold: &lt; 500 ms → &lt; 400 ms; "
    for part in (what + "action: CI fails → warning", "<td>admin</td>", form["why"]):
        assert part in page
    admin_client.post(url("budget_change", budget.pk), form)
    assert budget.changes.count() == 1
    no_reason = admin_client.post(url("budget_change", budget.pk), form | {"why": " "})
    assert "This field is required" in no_reason.content.decode()
    budget.delete()
    assert BudgetChange.objects.get().name == "p95 latency"
    budget = Budget.objects.create(metric="latency_p95", target=250, threshold=400, action="warn")
    refused = admin_client.post(url("budget_change", budget.pk), form | {"threshold": "200"})
    assert "at least as strict as the threshold" in refused.content.decode()
    nothing = admin_client.post(url("budget_change", budget.pk), form | {"threshold": "none"})
    assert "is not a number of ms" in nothing.content.decode()


def test_the_route_of_a_budget_is_one_that_runs_had_or_its_own(admin_client, measured_run):
    RouteResult.objects.create(run=measured_run, route="/api/orders", requests=1)
    form = {
        "metric": "latency_p95", "target": "250 ms", "threshold": "400 ms", "action": "warn",
        "enabled": "on", "why": "Orders matter.",
    }  # fmt: skip
    refused = admin_client.post(url("budget_add"), form | {"route": "/api/order"})
    assert "/api/order is not one of the available choices" in refused.content.decode()
    assert admin_client.post(url("budget_add"), form | {"route": "/api/orders"}).status_code == 302
    budget = Budget.objects.get(route="/api/orders")
    # The runs are gone, and the budget can be edited still.
    RouteResult.objects.all().delete()
    form |= {"route": "/api/orders", "target": "200 ms"}
    assert admin_client.post(url("budget_change", budget.pk), form).status_code == 302
    budget.refresh_from_db()
    assert budget.target == 200


def test_an_analysis_shows_findings_and_what_was_missing(admin_client, finding):
    analysis = Analysis.objects.get()
    analysis.missing = [{"source": "s", "reason": "r", "cost": "c", "mend": "GRANT x"}]
    analysis.counts = {"error": 0, "warning": 1, "info": 0}
    analysis.save()
    page = admin_client.get(url("analysis_change", analysis.pk)).content.decode()
    for part in (
        "Index x is unused",
        "DROP INDEX &quot;x&quot;;",
        "why &lt;b&gt;",
        "GRANT x",
        "1 warning",
    ):
        assert part in page


@pytest.mark.parametrize("state", Analysis.State.values)
def test_an_analysis_is_shown_in_every_state(admin_client, state):
    analysis = Analysis.objects.create(
        state=state, error="The database is away", heartbeat_at=timezone.now()
    )
    answer = admin_client.get(url("analysis_live", analysis.pk))
    assert answer["X-Active"] == ("1" if state in Analysis.ACTIVE else "0")
    assert admin_client.get(url("analysis_change", analysis.pk)).status_code == 200


def someone(*permissions):
    user = User.objects.create_user("someone", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def pages(client, run, analysis, finding):
    return {
        "see runs": client.get(url("loadrun_change", run.pk)).status_code,
        "see live": client.get(url("loadrun_live", run.pk)).status_code,
        "start": client.get(url("loadrun_start")).status_code,
        "cancel": client.post(url("loadrun_cancel", run.pk)).status_code,
        "analyse": client.post(url("analysis_start")).status_code,
        "mute": client.post(url("finding_mute", finding.pk), {}).status_code,
        "acknowledge": client.post(url("finding_acknowledge", finding.pk)).status_code,
        "reopen": client.post(url("finding_reopen", finding.pk)).status_code,
    }


VIEWS = ("view_loadrun", "view_analysis", "view_finding")


@pytest.mark.parametrize(
    ("permissions", "allowed"),
    [
        ((), set()),
        (VIEWS, {"see runs", "see live"}),
        ((*VIEWS, "run_loadrun"), {"see runs", "see live", "start"}),
        ((*VIEWS, "cancel_loadrun"), {"see runs", "see live", "cancel"}),
        ((*VIEWS, "run_analysis"), {"see runs", "see live", "analyse"}),
        ((*VIEWS, "mute_finding"), {"see runs", "see live", "mute", "acknowledge", "reopen"}),
    ],
)
def test_see_run_cancel_analyse_and_mute_are_separate_rights(
    client, measured_run, finding, permissions, allowed
):
    client.force_login(someone(*permissions))
    answers = pages(client, measured_run, Analysis.objects.get(), finding)
    assert {name for name, status in answers.items() if status != 403} == allowed


LOOK = {"see runs", "see live", "see a budget", "look at sessions"}
OPERATE = {"start", "cancel", "analyse", "mute", "acknowledge", "reopen"}


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("performance viewer", LOOK),
        ("performance operator", LOOK | OPERATE),
        ("performance administrator", LOOK | OPERATE | {"change a budget", "delete a run"}),
    ],
)
def test_each_role_may_do_what_it_is_for_and_is_offered_no_more(
    client, measured_run, finding, role, allowed
):
    user = User.objects.create_user("someone", password="x", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client.force_login(user)
    budget = Budget.objects.first()
    answers = pages(client, measured_run, Analysis.objects.get(), finding) | {
        "see a budget": client.get(url("budget_change", budget.pk)).status_code,
        "look at sessions": client.get(url("analysis_now")).status_code,
        "change a budget": client.post(url("budget_change", budget.pk), {}).status_code,
        "delete a run": client.get(url("loadrun_delete", measured_run.pk)).status_code,
    }
    assert {name for name, status in answers.items() if status != 403} == allowed
    run_page = client.get(url("loadrun_change", measured_run.pk)).content.decode()
    assert ("Run again" in run_page) == ("start" in allowed)
    home = client.get(reverse("admin:app_list", args=["perfops"])).content.decode()
    assert "po-overview" in home
    assert (url("analysis_now") in home) == ("look at sessions" in allowed)


def test_what_goes_with_a_run_is_counted_before_it_is_deleted(admin_client, measured_run):
    page = admin_client.get(url("loadrun_delete", measured_run.pk)).content.decode()
    content = page.partition('<div id="content"')[2]
    assert "59" in content.partition("Objects")[0], "samples"
    assert content.partition("Objects")[2].count("<li>") == 1


def test_what_goes_with_a_run_is_counted_and_not_read(admin_client, measured_run):
    with CaptureQueriesContext(connection) as found:
        admin_client.get(url("loadrun_delete", measured_run.pk))
    of_samples = [each["sql"] for each in found if "perfops_sample" in each["sql"]]
    assert of_samples
    assert all("COUNT(*)" in each for each in of_samples)


@pytest.mark.parametrize("kept_by", [PROTECT, RESTRICT])
def test_a_run_that_a_row_of_the_project_keeps_is_said_and_not_deleted(
    admin_client, measured_run, monkeypatch, kept_by
):
    field = Evaluation._meta.get_field("run")
    monkeypatch.setattr(field.remote_field, "on_delete", kept_by)
    kept = Evaluation.objects.filter(run=measured_run).earliest("pk")
    page = admin_client.get(url("loadrun_delete", measured_run.pk)).content.decode()
    assert "would require deleting the following protected" in page
    assert html.escape(str(kept)) in page
    admin_client.post(url("loadrun_delete", measured_run.pk), {"post": "yes"})
    assert LoadRun.objects.filter(pk=measured_run.pk).exists()


def test_after_an_analysis_no_finding_is_said_to_come_with_the_first(admin_client):
    assert (
        "they come with the first analysis"
        in admin_client.get(url("finding_changelist")).content.decode()
    )
    Analysis.objects.create(state="finished")
    page = admin_client.get(url("finding_changelist")).content.decode()
    assert "No finding is open." in page
    assert "first analysis" not in page


def test_who_is_not_logged_in_sees_nothing(client, measured_run, finding):
    answers = pages(client, measured_run, Analysis.objects.get(), finding)
    assert set(answers.values()) == {302}


@pytest.mark.parametrize("name", ["loadrun_cancel", "finding_mute", "finding_reopen"])
def test_acts_take_post_only(admin_client, name):
    assert admin_client.get(url(name, 1)).status_code == 405


def test_starting_queues_a_run_for_its_user(admin_client, admin_user, mailoutbox):
    form = {"scenario": "smoke", "target": "http://127.0.0.1:3001"}
    answer = admin_client.post(url("loadrun_start"), form)
    run = LoadRun.objects.get()
    assert answer["Location"] == url("loadrun_change", run.pk)
    assert (run.trigger, run.requested_by, run.state) == ("admin", admin_user, "queued")


@pytest.mark.parametrize(
    ("form", "stored"),
    [
        ({"rate": "30", "seconds": "60"}, {"peak_rate": 30, "duration_s": 60}),
        ({"find_limit": "on", "up_to": "300"}, {"peak_rate": 300, "duration_s": 480}),
        ({"find_limit": "on", "minutes": "2"}, {"peak_rate": 2000, "duration_s": 120}),
    ],
)
def test_the_form_has_rate_and_duration_or_seeks_the_limit(admin_client, form, stored):
    wanted = {"scenario": "smoke", "target": "http://127.0.0.1:3001", **form}
    admin_client.post(url("loadrun_start"), wanted)
    plan = LoadRun.objects.get().plan
    assert {name: plan[name] for name in stored} == pytest.approx(stored, abs=0.01)


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"scenario": "smoke", "target": "http://192.0.2.1"}, "not on the list"),
        (
            {"scenario": "smoke", "target": "http://127.0.0.1", "rate": "0"},
            "greater than or equal to 1",
        ),
        (
            {"scenario": "smoke", "target": "http://127.0.0.1", "rate": "5", "find_limit": "on"},
            "rates of its own",
        ),
        (
            {"scenario": "smoke", "target": "http://127.0.0.1", "up_to": "5"},
            "Only where the highest rate is sought",
        ),
        ({"scenario": "nothing", "target": "http://127.0.0.1"}, "Select a valid choice"),
        ({"scenario": "smoke", "target": ""}, "This field is required"),
    ],
)
def test_a_start_that_is_refused_says_why_and_keeps_what_was_typed(admin_client, form, says):
    page = admin_client.post(url("loadrun_start"), form).content.decode()
    assert says in page
    assert form["target"] in page
    assert not LoadRun.objects.exists()


def test_without_scenarios_the_list_says_what_is_missing(admin_client, settings, tmp_path):
    settings.PERFOPS = {**settings.PERFOPS, "SCENARIO_DIR": tmp_path}
    page = admin_client.get(url("loadrun_start"), follow=True).content.decode()
    assert "neither scenarios.json nor routes" in page


def test_cancel_and_its_warning_when_there_is_nothing_to_cancel(admin_client, measured_run):
    run = LoadRun.objects.create(scenario="smoke", target="http://127.0.0.1:1")
    admin_client.post(url("loadrun_cancel", run.pk))
    run.refresh_from_db()
    assert run.state == "canceled"
    page = admin_client.post(url("loadrun_cancel", measured_run.pk), follow=True).content.decode()
    assert "has ended already" in page


def test_muting_needs_a_reason_and_an_end(admin_client, finding):
    tomorrow = timezone.now().date() + timedelta(days=1)
    page = admin_client.post(url("finding_mute", finding.pk), {"until": tomorrow}).content.decode()
    assert "This field is required" in page
    past = {"until": "2020-01-01", "reason": "x"}
    page = admin_client.post(url("finding_mute", finding.pk), past).content.decode()
    assert "not in the future" in page
    admin_client.post(url("finding_mute", finding.pk), {"until": tomorrow, "reason": "known"})
    finding.refresh_from_db()
    assert (finding.status, finding.mute_reason) == ("muted", "known")
    assert "muted until" in admin_client.get(url("finding_change", finding.pk)).content.decode()


@pytest.mark.parametrize("name", ["loadrun_change", "analysis_change", "finding_change"])
@pytest.mark.parametrize("key", ["999999", "nonsense"])
def test_what_is_not_there_is_a_404(admin_client, name, key):
    assert admin_client.get(url(name, key)).status_code == 404


def test_nobody_edits_what_was_measured(admin_client, measured_run):
    assert admin_client.get(reverse("admin:perfops_loadrun_add")).status_code == 403
    answer = admin_client.post(url("loadrun_change", measured_run.pk), {"verdict": "fail"})
    measured_run.refresh_from_db()
    assert measured_run.verdict == "pass"
    assert answer.status_code == 200


def test_an_analysis_that_died_is_lost_on_every_page_and_says_what_to_do(admin_client):
    long_ago = timezone.now() - timedelta(minutes=1)
    dead = Analysis.objects.create(state="running", heartbeat_at=long_ago, worker="host:12345")
    living = Analysis.objects.create(state="running", heartbeat_at=timezone.now())
    listed = admin_client.get(url("analysis_changelist")).content.decode()
    assert "lost" in listed
    page = admin_client.get(url("analysis_change", dead.pk)).content.decode()
    for part in ("lost", "it died", "host:12345", "Analyse again"):
        assert part in page
    assert admin_client.get(url("analysis_live", dead.pk))["X-Active"] == "0"
    assert admin_client.get(url("analysis_live", living.pk))["X-Active"] == "1"
    admin_client.post(url("analysis_start"), {"database": dead.database})
    assert Analysis.objects.latest("created_at").state == "queued"
    answer = admin_client.post(url("analysis_start"), {"database": "nowhere"})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "name", ["loadrun", "analysis", "finding", "budget", "waiver", "querytemplate", "scopetotal"]
)
def test_each_list_says_in_a_sentence_what_it_is_of(admin_client, name):
    page = admin_client.get(url(f"{name}_changelist"))
    what = page.context["cl"].model_admin.what
    assert what.endswith(".")
    assert html.escape(what) in page.content.decode()
