"""perfops over REST: a run is started, followed and judged; findings are handled; who may what."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client, override_settings
from django.urls import path
from django.utils import timezone

from midst.accounts.models import AuditEvent, Scope
from perfops.analysis import findings, triage
from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.incidents import Incident
from perfops.budgets import services as budgets
from perfops.budgets import waivers
from perfops.load import services as runs
from perfops.models import Analysis, Budget, Finding, LoadRun
from perfops.models.decisions import Waiver
from perfops.rest import urls
from tests.perfops.budgets.test_verdicts import run_with
from tests.world import Someone, personal

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_cache")]
urlpatterns = [path("ops/", urls.urls)]
ROLES = ("viewer", "operator", "administrator")


def member(role, **options):
    user = User.objects.create_user(role, password="x", is_staff=True, **options)
    user.groups.add(Group.objects.get(name=f"performance {role}"))
    return user


def bot(role="operator"):
    return Someone(personal(member(role), list(Scope))[1])


@pytest.fixture
def finding():
    now = timezone.now()
    return Finding.objects.create(
        database="default", fingerprint="f", advisor="unused_indexes", object="public.x",
        severity="warning", title="x", why="w", remedy="r", statement="DROP INDEX x",
        first_seen_at=now, last_seen_at=now,
    )  # fmt: skip


def test_a_bot_starts_a_run_and_reads_its_verdict(monkeypatch):
    monkeypatch.setattr("perfops.jobs.queue.enqueue", lambda *_, **__: None)
    someone = bot()
    begun = someone.post("/perfops/runs", {"scenario": "smoke"})
    assert begun.status_code == 201
    address = begun["Location"]
    assert address == f"/api/v1/perfops/runs/{begun.json()['id']}"
    run = LoadRun.objects.get(pk=begun.json()["id"])
    assert (run.trigger, run.requested_by.username) == ("api", "operator")
    assert (begun.json()["verdict"], begun.json()["is_final"]) == (None, False)
    run.summary, run.state, run.verdict = run_with().summary, "finished", "fail"
    run.reasons = ["p95 latency is too high."]
    run.save()
    budgets.evaluate(run)
    shown = someone.get(address.removeprefix("/api/v1")).json()
    assert (shown["verdict"], shown["is_final"]) == ("fail", True)
    assert shown["reasons"] == ["p95 latency is too high."]
    assert {each["name"] for each in shown["budgets"]} == {str(b) for b in Budget.objects.all()}
    listed = someone.get("/perfops/runs?verdict=fail").json()["results"]
    assert [each["id"] for each in listed] == [run.pk]


def test_one_run_for_each_target_so_that_a_request_may_be_sent_again():
    someone = bot()
    first = someone.post("/perfops/runs", {"scenario": "smoke"})
    again = someone.post("/perfops/runs", {"scenario": "smoke"})
    assert again.status_code == 409
    assert again["Location"] == first["Location"]
    assert f"Run {first.json()['id']} (smoke) is loading" in again.json()["detail"]
    assert LoadRun.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"scenario": "no-such"}, "smoke"),
        ({"scenario": "smoke", "target": "http://169.254.169.254"}, "list of allowed targets"),
        ({"scenario": "smoke", "target": "http://192.0.2.1@127.0.0.1"}, "plain base URL"),
        ({"scenario": "smoke", "target": "file:///etc/passwd"}, "is not a URL"),
        ({"scenario": "../smoke"}, "smoke"),
    ],
)
def test_what_can_not_be_run_is_refused_with_what_to_do(body, said):
    answer = bot().post("/perfops/runs", body)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert not LoadRun.objects.exists()


@pytest.mark.parametrize("name", ["verdict", "state", "requested_by", "trigger", "plan", "id"])
def test_nobody_writes_what_a_run_has_measured(name):
    answer = bot().post("/perfops/runs", {"scenario": "smoke", name: "pass"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == f"body.{name}"


def test_a_run_is_canceled_once():
    someone = bot()
    run = someone.post("/perfops/runs", {"scenario": "smoke"}).json()["id"]
    canceled = someone.post(f"/perfops/runs/{run}/cancel", None)
    assert (canceled.status_code, canceled.json()["state"]) == (200, "canceled")
    assert someone.post(f"/perfops/runs/{run}/cancel", None).status_code == 409


def test_a_run_goes_on_at_another_rate():
    someone = bot()
    run = someone.post("/perfops/runs", {"scenario": "smoke"}).json()["id"]
    url = f"/perfops/runs/{run}/rate"
    refused = someone.post(url, {"rate": 150})
    assert refused.status_code == 409
    assert "does not load its target now" in refused.json()["detail"]
    LoadRun.objects.update(state="running", heartbeat_at="2999-01-01T00:00Z")
    for wrong in ({"rate": "150"}, {"rate": 0}, {"rate": 99_999}, {}):
        answer = someone.post(url, wrong)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.rate")
    met = someone.post(url, {"rate": 150})
    assert (met.status_code, met.json()["rate_changes"]) == (200, [])
    assert LoadRun.objects.get().wanted_rate["by"] == "operator"
    row = AuditEvent.objects.filter(event="operation").last()
    assert (row.actor_name, row.details["action"]) == (
        "operator", "change the rate of a load run to 150 req/s",
    )  # fmt: skip
    LoadRun.objects.update(state="finished")
    assert "had no effect" in someone.get(f"/perfops/runs/{run}").json()["rate_not_changed"]


def test_a_run_that_no_worker_took_is_not_shown_as_queued_for_ever():
    run = runs.request_run(scenario="smoke", enqueue=False)
    LoadRun.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(days=1))
    someone = bot()
    assert someone.get("/perfops/runs").json()["results"][0]["state"] == "failed"
    assert someone.get(f"/perfops/runs/{run.pk}").json()["is_final"]


def test_starts_cancels_and_triage_are_in_the_audit_log(finding):
    someone = bot()
    run = someone.post("/perfops/runs", {"scenario": "smoke"}).json()["id"]
    someone.post(f"/perfops/runs/{run}/cancel", None)
    someone.post(f"/perfops/runs/{run}/cancel", None)
    someone.post(f"/perfops/findings/{finding.pk}/acknowledge", None)
    rows = AuditEvent.objects.filter(event="operation").order_by("pk")
    assert [(row.actor_name, row.details["action"]) for row in rows] == [
        ("operator", "start a load run"),
        ("operator", "cancel a load run"),
        ("operator", "acknowledge a finding"),
    ]
    assert rows[0].subject.startswith(f"run {run} (smoke, http://127.0.0.1:")


def test_a_finding_is_muted_with_a_reason_and_an_end(finding):
    someone, url = bot(), f"/perfops/findings/{finding.pk}"
    for body in ({"until": "2001-01-01", "reason": "x"}, {"until": "2999-01-01", "reason": " "}):
        assert someone.post(f"{url}/mute", body).status_code == 422
    muted = someone.post(f"{url}/mute", {"until": "2999-01-01", "reason": "known"})
    assert (muted.status_code, muted.json()["status"]) == (200, "muted")
    assert someone.get("/perfops/findings").json()["results"] == []
    assert someone.post(f"{url}/reopen", None).json()["status"] == "open"
    assert someone.get(url).json()["statement"] == "DROP INDEX x"
    assert finding.events.filter(actor_name="operator").count() == 2


def test_a_violation_is_waived_by_administrators_and_the_waiver_ended_once():
    admin, ends_at = bot("administrator"), timezone.now() + timedelta(days=1)
    body = {"budget": "p95 latency", "reason": "known", "ends_at": ends_at.isoformat()}
    made = admin.post("/perfops/waivers", body)
    assert (made.status_code, made.json()["counts"]) == (201, True)
    (shown,) = bot("viewer").get("/perfops/waivers").json()["results"]
    assert (shown["created_by"], shown["reason"]) == ("administrator", "known")
    assert waivers.read().covers("p95 latency", timezone.now())
    url = f"/perfops/waivers/{made.json()['id']}/end"
    operator = bot("operator")
    assert operator.post("/perfops/waivers", body).status_code == 403
    assert operator.post(url, None).status_code == 403
    assert admin.post(url, None).json()["counts"] is False
    assert admin.post(url, None).status_code == 409
    assert admin.post("/perfops/waivers/999/end", None).status_code == 404
    actions = AuditEvent.objects.filter(event="operation").order_by("pk")
    assert [row.details["action"] for row in actions] == ["waive a budget", "end a waiver"]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("budget", "p95 latencies", "Budgets: "),
        ("ends_at", "2001-01-01T00:00:00Z", "in the future"),
        ("ends_at", "2999-01-01T00:00:00Z", "within 366 days"),
        ("ends_at", "2999-01-01T00:00:00", ""),
        ("reason", " ", ""),
        ("created_by", "me", ""),
    ],
)
def test_a_waiver_has_a_name_a_reason_and_an_end(field, value, said):
    ends_at = (timezone.now() + timedelta(days=1)).isoformat()
    body = {"budget": "p95 latency", "reason": "x", "ends_at": ends_at, field: value}
    answer = bot("administrator").post("/perfops/waivers", body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == f"body.{field}"
    assert said in answer.json()["detail"]
    assert not Waiver.objects.exists()


def test_findings_with_one_cause_are_one_incident():
    issues = [
        DetectedIssue("unused_indexes", f"public.{n}", "warning", n, "why", "remedy") for n in "abc"
    ]
    assert bot().get("/perfops/incidents").json() == {"analysis": None, "at": None, "results": []}
    analysis = Analysis.objects.create(state="finished", finished_at=timezone.now())
    parts = [Incident((issues[0], issues[1]), 0.25, ""), Incident((issues[2],), None, "")]
    findings.record(analysis, issues, incidents=parts)
    triage.acknowledge([Finding.objects.get(object="public.c").pk])
    shown = bot("viewer").get("/perfops/incidents").json()
    assert shown["analysis"] == analysis.pk
    assert [(e["impact"], len(e["findings"])) for e in shown["results"]] == [(0.25, 2)]


@pytest.mark.parametrize("kind", ["runs", "findings", "budgets"])
@pytest.mark.parametrize("key", [0, 10**9, 2**63 - 1, 2**63, 10**40])
def test_what_is_not_there_is_a_404(kind, key):
    assert bot("viewer").get(f"/perfops/{kind}/{key}").status_code in {404, 422}


def test_pages_of_a_list_follow_each_other_to_its_end():
    rows = [LoadRun(scenario="smoke", target=f"http://192.0.2.{n}:80") for n in range(5)]
    LoadRun.objects.bulk_create([*rows, LoadRun(scenario="stress", target="http://192.0.2.9:80")])
    someone, found, url = bot("viewer"), [], "/perfops/runs?limit=2&scenario=smoke"
    while url:
        page = someone.get(url.removeprefix("/api/v1")).json()
        found += [each["id"] for each in page["results"]]
        url = page["next"]
    assert found == sorted(found, reverse=True)
    assert len(found) == 5


def test_a_token_of_the_reading_scope_starts_nothing():
    token = personal(member("operator"), [Scope.PERFOPS_READ])[1]
    someone = Someone(token)
    assert someone.get("/perfops/runs").status_code == 200
    refused = someone.post("/perfops/runs", {"scenario": "smoke"})
    assert refused.status_code == 403
    assert "perfops:run" in refused.json()["detail"]


@override_settings(ROOT_URLCONF=__name__)
@pytest.mark.parametrize("role", ROLES)
def test_a_project_without_an_api_of_its_own_includes_it(role, finding):
    """With the admin's session, its CSRF token, and its permissions."""
    user = member(role)
    client = Client(enforce_csrf_checks=True)
    assert client.get("/ops/runs").status_code == 401
    client.force_login(user)
    assert client.get("/ops/runs").json() == {"results": [], "next": None}
    body = json.dumps({"scenario": "smoke"})
    assert client.post("/ops/runs", body, "application/json").status_code == 403
    client = Client()
    client.force_login(user)
    begun = client.post("/ops/runs", body, "application/json")
    mute = client.post(f"/ops/findings/{finding.pk}/acknowledge")
    if role == "viewer":
        assert (begun.status_code, mute.status_code) == (403, 403)
        assert "perfops.run_loadrun" in begun.json()["detail"]
        return
    assert (begun.status_code, mute.status_code) == (201, 200)
    assert begun["Location"] == f"/ops/runs/{begun.json()['id']}"
    wrong = client.post("/ops/runs", json.dumps({"scenario": 1}), "application/json")
    assert wrong.status_code == 422
    assert wrong["Content-Type"] == "application/problem+json"
    assert wrong.json()["errors"][0]["field"] == "body.scenario"
    assert client.get("/ops/runs/999999").status_code == 404
    assert client.get("/ops/openapi.json").status_code == 200
