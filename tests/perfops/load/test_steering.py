"""A run whose rate is changed while it goes on: what is sent, what is said of it, who may."""

import json
import time

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from midst.accounts.models import AuditEvent, Scope
from perfops import tasks
from perfops.admin.run_page import charts
from perfops.budgets import verdicts
from perfops.load import progress, selectors, steering
from perfops.load import scenarios as plans
from perfops.load import services as runs
from perfops.load.recording import Recording
from perfops.load.scenarios import Plan, Scenario, Stage
from perfops.load.steering import Change, Steering, Wish
from perfops.load.validity import VALID, ValidityErrors
from perfops.management import report
from perfops.models import LoadRun
from perfops.models.runs import Sample
from tests.perfops import programs
from tests.perfops.budgets.test_verdicts import run_with
from tests.perfops.load.test_load_runs import executing, requests_so_far, wait_until
from tests.world import Someone, personal

SPEC = Scenario("", 20, (Stage(10, 100), Stage(30, 100), Stage(10, 0)), 200)
PLAN = Plan("x", SPEC, plans.SCRIPTS, plans.SCRIPTS, None)


@given(st.floats(0, 60))
def test_a_plan_that_is_cut_sends_what_it_would_have_sent_by_then(seconds):
    stages = steering.cut(SPEC, seconds)
    assert sum(stage.seconds for stage in stages) == pytest.approx(min(seconds, 50))
    end = stages[-1].rate if stages else SPEC.start_rate
    assert end == pytest.approx(steering.rate_at(SPEC, seconds))


@pytest.mark.parametrize(("second", "rate"), [(0, 20), (5, 60), (10, 100), (45, 50), (70, 0)])
def test_the_rate_of_a_plan_at_a_second(second, rate):
    assert steering.rate_at(SPEC, second) == rate


def steered(plan, wishes, second):
    """Return the steering of a run at ``second``, and the plans that it has sent by."""
    recording = Recording()
    recording.first_at = time.time() - second
    sent, noted = [], []
    found = Steering(plan, recording, lambda: wishes[min(len(sent), len(wishes)) - 1], noted.append)
    found.run(lambda each, may_end: sent.append(each), lambda: False)
    assert noted == found.changes
    return found, sent


def test_a_wish_is_met_by_another_generator_to_the_end_of_the_plan():
    found, sent = steered(PLAN, [Wish(150, "ada", 1.0)], second=20)
    assert [each.spec.stages[-1].rate for each in sent] == [0, 150]
    assert sent[1].spec.start_rate == 150
    assert sent[1].duration_s == pytest.approx(30, abs=1)
    assert sent[1].spec.max_vus == 300
    change = found.changes[0]
    assert (change.before, change.now, change.by) == (100, 150, "ada")
    assert change.sentence() == "at 20 s from 100 to 150 req/s by ada"
    # 600 in the first 10 s, 1,000 until it was changed.
    assert found.planned().requests == pytest.approx(600 + 1000 + 30 * 150, rel=0.02)


def test_several_wishes_are_met_one_after_the_other_and_none_at_the_end():
    wishes = [Wish(150, "ada", 1.0), Wish(150, "ada", 1.0), Wish(40, "", 2.0)]
    found, sent = steered(PLAN, [wishes[0], wishes[2]], second=20)
    assert [each.now for each in found.changes] == [150, 40]
    assert [each.spec.start_rate for each in sent] == [20, 150, 40]
    found, sent = steered(PLAN, wishes[:1], second=46)
    assert (found.changes, len(sent), found.planned()) == ([], 1, PLAN)
    assert found.as_row() == {}


def test_the_chart_marks_the_change():
    point = selectors.Point(0, 1, 0, 0, 1, 1.0, 1.0, 1.0)
    drawn = charts([point], [], [Change(23, 100, 150, "ada")])
    assert {each.events[0].label for each in drawn} == {"at 23 s from 100 to 150 req/s by ada"}


@pytest.mark.django_db
def test_no_budget_judges_it():
    run = run_with()
    run.summary |= {"rate_changes": [{"second": 23, "before": 100, "now": 150, "by": "ada"}]}
    verdict, reasons = verdicts.decide(run, VALID, judged=False)
    assert verdict == LoadRun.Verdict.NONE
    assert "changed by hand at 23 s from 100 to 150 req/s by ada" in reasons[0]
    verdict, reasons = verdicts.decide(run, ValidityErrors(("It was starved.",)), judged=False)
    assert (verdict, reasons[0]) == (LoadRun.Verdict.INVALID, "It was starved.")
    assert "changed by hand" in reasons[1]


@pytest.mark.django_db
def test_who_starts_runs_changes_their_rate_and_the_history_says_so(admin_client):
    run = LoadRun.objects.create(scenario="smoke", target="http://127.0.0.1:1")
    address = f"/admin/perfops/loadrun/{run.pk}/rate/"

    def change(rate):
        return admin_client.post(address, {"rate": rate}, follow=True).content.decode()

    assert "does not load its target now" in change("150")
    LoadRun.objects.update(state="running", heartbeat_at="2999-01-01T00:00Z")
    assert "a number of requests" in change("much")
    assert "MAX_RATE" in change("99999")
    run.refresh_from_db()
    assert run.wanted_rate is None
    assert "It goes on with 150 req/s" in change("150")
    run.refresh_from_db()
    assert (run.wanted_rate["rate"], run.wanted_rate["by"]) == (150, "admin")
    history = admin_client.get(f"/admin/perfops/loadrun/{run.pk}/history/").content.decode()
    assert "Rate: 150 req/s" in history
    LoadRun.objects.update(plan={"abort": {}, "duration_s": 1, "requests": 1, "peak_rate": 1})
    assert "its rate is its own" in change("150")
    assert (
        "Change the rate"
        not in admin_client.get(address.replace("rate", "change")).content.decode()
    )


@pytest.fixture
def running():
    """A run of 60 s that loads its target, 20 s after its start."""
    plan = {"duration_s": 60.0, "requests": 600, "peak_rate": 10}
    run = LoadRun.objects.create(
        scenario="smoke", target="http://127.0.0.1:1", state="running", plan=plan,
        heartbeat_at="2999-01-01T00:00Z",
    )  # fmt: skip
    Sample.objects.create(run=run, route="", second=19, requests=10)
    return run


@pytest.mark.django_db
@pytest.mark.parametrize(("second", "is_met"), [(19, True), (50, True), (53, False), (58, False)])
def test_a_wish_that_would_come_too_late_is_refused_and_said(running, second, is_met):
    """A worker reads it within 3 s, and needs 5 more."""
    Sample.objects.filter(run=running).update(second=second)
    if is_met:
        runs.request_rate(running.pk, 50)
    else:
        with pytest.raises(runs.RunRefused, match=rf"ends in about {59 - second} s: .* needs 8 s"):
            runs.request_rate(running.pk, 50)
    running.refresh_from_db()
    assert (running.wanted_rate is not None) == is_met


@pytest.mark.django_db
def test_a_wish_that_came_too_late_all_the_same_is_named_when_the_run_has_ended(
    running, admin_client, capsys
):
    runs.request_rate(running.pk, 50)
    running.refresh_from_db()
    assert steering.without_effect(running) == ""
    running.state = "finished"
    running.save()
    said = steering.without_effect(running)
    assert said.startswith("50 req/s by ")
    assert "had no effect" in said
    page = admin_client.get(f"/admin/perfops/loadrun/{running.pk}/change/").content.decode()
    assert "Rate not changed" in page
    call_command("load_run", str(running.pk))
    assert "had no effect" in capsys.readouterr().out
    by = running.wanted_rate["by"]
    change = {"second": 21.0, "before": 10.0, "now": 50.0, "by": by}
    running.plan[steering.CHANGES] = [change]
    assert steering.without_effect(running) == ""


@pytest.mark.django_db
def test_a_run_is_shown_steered_and_canceled_at_the_terminal(running, capsys):
    def ended(*words):
        with pytest.raises(SystemExit) as left:
            call_command("load_run", str(running.pk), *words)
        return left.value.code

    call_command("load_run", str(running.pk))
    assert "20 of 60 s: 10 requests, 0 errors" in capsys.readouterr().out
    call_command("load_run", str(running.pk), "--rate", "50", "--format", "json")
    assert "goes on with 50 req/s" in json.loads(capsys.readouterr().out)["done"]
    running.refresh_from_db()
    assert running.wanted_rate["rate"] == 50
    assert ended("--rate", "99999") == 2
    assert "MAX_RATE" in capsys.readouterr().err
    call_command("load_run", str(running.pk), "--cancel")
    assert "is being canceled" in capsys.readouterr().out
    running.refresh_from_db()
    assert running.cancel_requested_at
    LoadRun.objects.update(state="canceled", cancel_requested_at=None)
    assert ended("--cancel") == 2
    assert "has ended already" in capsys.readouterr().err
    Sample.objects.filter(run=running).update(second=59)
    assert ended("--rate", "50") == 2
    assert "does not load its target now" in capsys.readouterr().err


@pytest.mark.django_db
@pytest.mark.usefixtures("empty_cache")
@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "20 of 60 s: 15 requests, 0 errors, 5 req/s, p95 7.50 ms"),
        ({"state": "queued"}, "Waiting for a Celery worker to take it."),
        ({"state": "judging"}, "The measurement is complete; budgets are being checked."),
        ({"cancel_requested_at": timezone.now()}, "Canceling."),
    ],
)
def test_page_api_terminal_and_the_command_that_waits_say_the_same_of_a_run(
    running, fields, sentence, admin_client, capsys
):
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.groups.add(Group.objects.get(name="performance viewer"))
    someone = Someone(personal(viewer, list(Scope))[1])
    LoadRun.objects.filter(pk=running.pk).update(**fields)
    Sample.objects.create(run=running, route="", second=18, requests=5, p95_ms=7.5)
    call_command("load_run", str(running.pk))
    shown = capsys.readouterr().out.strip()
    assert shown == f"Run {running.pk} · {running.scenario}: {sentence}"
    page = admin_client.get(f"/admin/perfops/loadrun/{running.pk}/change/").content.decode()
    assert f"<p>{sentence}</p>" in page
    running.refresh_from_db()
    assert report.progress_line(running, progress.of(running)) == shown
    call_command("load_run", str(running.pk), "--format", "json")
    said = json.loads(capsys.readouterr().out)["progress"]
    assert said["text"] == sentence
    assert said == someone.get(f"/perfops/runs/{running.pk}").json()["progress"]


@pytest.mark.django_db
@pytest.mark.usefixtures("empty_cache")
def test_starts_changes_and_cancels_are_in_the_audit_log_from_wherever_they_come(
    admin_client, monkeypatch
):
    """In the admin, over REST (see test_operations), at the terminal, by a schedule."""
    monkeypatch.setattr("perfops.jobs.queue.enqueue", lambda *_, **__: None)
    monkeypatch.setattr("getpass.getuser", lambda: "root")
    pages = "/admin/perfops/loadrun/"

    def asked():
        rows = AuditEvent.objects.filter(event="operation").order_by("pk")
        return [(row.actor_name, row.details["by"], row.details["action"]) for row in rows]

    admin_client.post(f"{pages}start/", {"scenario": "smoke", "target": "http://127.0.0.1:3001"})
    run = LoadRun.objects.get()
    LoadRun.objects.update(state="running", heartbeat_at="2999-01-01T00:00Z")
    admin_client.post(f"{pages}{run.pk}/rate/", {"rate": 17})
    admin_client.post(f"{pages}{run.pk}/cancel/")
    # It is being canceled already.
    admin_client.post(f"{pages}{run.pk}/cancel/")
    change = "change the rate of a load run to 17 req/s"
    verbs = ["start a load run", change, "cancel a load run"]
    assert asked() == [("admin", "admin", verb) for verb in verbs]
    row = AuditEvent.objects.filter(event="operation").first()
    assert (row.address, row.subject) == ("127.0.0.1", f"run {run.pk} (smoke, {run.target})")
    AuditEvent.objects.all().delete()
    LoadRun.objects.update(cancel_requested_at=None)
    call_command("load_run", str(run.pk), "--rate", "17")
    call_command("load_run", str(run.pk), "--cancel")
    LoadRun.objects.update(state="canceled")
    runs.request_run(scenario="smoke")
    LoadRun.objects.update(state="canceled")
    tasks.scheduled_run("smoke")
    me = "root at the command line"
    assert asked() == [
        ("", me, change), ("", me, "cancel a load run"), ("", me, "start a load run"),
        ("", "schedule", "start a load run"),
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.usefixtures("quick_enough")
def test_a_run_goes_on_at_another_rate_in_the_same_recording(scenario, site):
    run = runs.request_run(scenario=scenario(rate=20, seconds=15), target=site.url, enqueue=False)
    thread = executing(run)
    wait_until(lambda: requests_so_far(run) > 20)
    first = programs.k6_of(site.url)
    runs.request_rate(run.pk, 60)
    wait_until(lambda: LoadRun.objects.get(pk=run.pk).plan.get("rate_changes"))
    thread.join(120)
    run.refresh_from_db()
    assert (run.state, run.verdict) == (LoadRun.State.FINISHED, LoadRun.Verdict.INVALID), run.log
    assert not any(process.is_running() for process in first)
    [change] = run.summary["rate_changes"]
    assert (change["before"], change["now"]) == (20, 60)
    # At most 300 at the rate that it began with.
    assert run.summary["requests"] > 350
    assert sum(point.requests for point in selectors.series(run)) == run.summary["requests"]
