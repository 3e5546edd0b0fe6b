"""Alerts: once when a violation begins, once when it is over, and no receiver fails a run."""

import json
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from perfops import tasks
from perfops.budgets import alert_formats, alerts, receivers, services, verdicts
from perfops.models import (
    AlertDelivery,
    Budget,
    Finding,
    LoadRun,
    QueryTemplate,
    Recommendation,
    RunRoute,
    RunStatement,
    Waiver,
)
from tests.perfops.budgets.test_verdicts import LATENCY, run_with

pytestmark = pytest.mark.django_db


def run(p95=100.0, **changes):
    made = run_with(intended_latency_ms={**LATENCY, "p95": p95})
    made.verdict = verdicts.weigh(services.evaluate(made))[0]
    for name, value in changes.items():
        setattr(made, name, value)
    made.save()
    return made


def changed(made):
    found = alerts.of_run(made)
    return found and ([e.name for e in found.begun], [e.name for e in found.over])


def test_a_violation_is_said_once_and_again_when_it_is_over():
    assert changed(run()) is None
    assert changed(run(600.0)) == (["p95 latency"], [])
    assert changed(run(700.0)) is None
    assert changed(run()) == ([], ["p95 latency"])
    assert changed(run()) is None


def test_an_invalid_run_and_another_scenario_say_nothing():
    run()
    assert changed(run(600.0, verdict="invalid")) is None
    run(600.0, scenario="other")
    assert changed(run(600.0)) == (["p95 latency"], [])


def test_a_violation_that_is_waived_meanwhile_is_not_said_to_be_over():
    run(600.0)
    waiver = Waiver.objects.create(
        budget="p95 latency", reason="known", ends_at=timezone.now() + timedelta(days=1)
    )
    found = alerts.of_run(run(600.0))
    assert (found.begun, found.over, len(found.waived)) == ((), (), 1)
    assert found.subject.startswith("api-load: 1 violation waived (run ")
    assert any(line.startswith("WAIVED: p95 latency is 600 ms") for line in found.lines)
    assert alert_formats.as_json(found)["waived"][0]["name"] == "p95 latency"
    assert alerts.of_run(run(600.0)) is None
    waiver.ends_at = timezone.now()
    waiver.save()
    assert changed(run(600.0)) == (["p95 latency"], [])


def test_a_budget_that_only_warns_says_nothing():
    Budget.objects.filter(metric="latency_p95").update(action="warn")
    assert changed(run(600.0)) is None


def test_mail_and_both_webhooks_get_it(receiver, settings):
    settings.PERFOPS = {
        **settings.PERFOPS,
        "ALERT_EMAILS": ["ops@example.org"],
        "ALERT_WEBHOOKS": [f"{receiver.url}/200/a"],
        "ALERT_SLACK_WEBHOOKS": [f"{receiver.url}/200/b"],
    }
    tasks.send_alerts(run(600.0).pk)
    tasks.send_alerts(run(600.0).pk)
    (letter,) = mail.outbox
    assert "1 budget violated" in letter.subject
    assert "p95 latency is 600 ms; it must be < 500 ms." in letter.body
    plain, slack = (json.loads(body) for _, body in receiver.taken)
    assert plain["violated"][0]["value"] == 600
    assert "must be &lt; 500 ms" in slack["text"]


@pytest.fixture
def queued(monkeypatch):
    """The tasks that are to be executed later."""
    found = []
    monkeypatch.setattr(
        tasks.send_alerts, "apply_async", lambda args, **how: found.append((args, how["countdown"]))
    )
    return found


@pytest.mark.parametrize("path", ["302", "500"])
def test_what_fails_is_tried_again_within_bounds_and_then_said_without_its_secret(
    path, receiver, settings, queued
):
    urls = [f"{receiver.url}/{path}/secret", "http://127.0.0.1:1/secret", "file:///secret"]
    urls.append(f"{receiver.url}/200/takes-it")
    settings.PERFOPS = {**settings.PERFOPS, "ALERT_WEBHOOKS": urls}
    made = run(600.0)
    tasks.send_alerts(made.pk)
    for args, _ in queued:
        tasks.send_alerts(*args)
    # Once more, as a broker may hand out a task twice.
    tasks.send_alerts(made.pk)
    assert [countdown for _, countdown in queued] == [30, 120, 600, 1800]
    made.refresh_from_db()
    said = [reason for reason in made.reasons if "was not taken by" in reason]
    assert len(said) == 3
    assert "secret" not in " ".join(said)
    assert made.verdict == LoadRun.Verdict.FAILED
    # Five attempts of the one that fails, one of the one that took it.
    assert len(receiver.taken) == 5 + 1
    assert {json.loads(body)["event"] for _, body in receiver.taken} == {f"run-{made.pk}"}


def test_what_another_worker_is_sending_is_not_sent_here(receiver, settings, queued):
    settings.PERFOPS = {**settings.PERFOPS, "ALERT_WEBHOOKS": [f"{receiver.url}/200/a"]}
    made = run(600.0)
    (its,) = receivers.receivers()
    AlertDelivery.objects.create(run=made, receiver=its.key)
    tasks.send_alerts(made.pk)
    assert (receiver.taken, queued) == ([], [])


def sent(made, calls, ms):
    """Have ``made`` say that 100 requests of a route sent a statement."""
    now = timezone.now()
    template, _ = QueryTemplate.objects.get_or_create(
        id=1, database="default", text="SELECT 1 FROM shop", queryids=["7"],
        defaults={"first_seen_at": now},
    )  # fmt: skip
    about = {"run": made, "name": "GET /shop", "calls": calls, "total_ms": ms, "rows": 0}
    RunRoute.objects.create(**about, requests=100)
    RunStatement.objects.create(
        **about, template=template, site="shop/views.py:3", function="shop", executions=100,
        max_calls_per_execution=1, repeated_executions=0, repeated_calls=0,
    )  # fmt: skip


def test_an_alert_names_route_statement_line_commit_and_index(django_assert_num_queries):
    sent(run(fingerprint={"commit": "a" * 40}), 100, 200.0)
    made = run(600.0, fingerprint={"commit": "b" * 40})
    sent(made, 5000, 10_000.0)
    now = timezone.now()
    finding = Finding.objects.create(
        database="default", fingerprint="f", advisor="indexes", object="shop", queryids=["7"],
        severity="warning", title="An index is missing", statement="CREATE INDEX ON shop (a);",
        first_seen_at=now, last_seen_at=now,
    )  # fmt: skip
    Recommendation.objects.create(finding=finding, kind="add", index_name="i")
    # Judgements and waivers of the run and of those before it (4), the run before (1), what both
    # sent (4), the recommendations (1).
    with django_assert_num_queries(10):
        found = alerts.of_run(made)
    (line,) = [each for each in found.lines if each.startswith("CAUSE: ")]
    assert line == (
        "CAUSE: GET /shop: more calls: 1.00 to 50.00 a request (+98.0 ms a request): "
        "SELECT 1 FROM shop; sent at shop/views.py:3 shop; "
        "changed by aaaaaaaaaaaa..bbbbbbbbbbbb; An index is missing: CREATE INDEX ON shop (a);"
    )
    assert alert_formats.as_json(found)["causes"][0]["route"] == "GET /shop"


def test_an_alert_without_a_run_to_compare_with_names_no_cause():
    assert alerts.of_run(run(600.0)).causes == ()
