"""Alerts: once when a violation begins, once when it is over, and no receiver fails a run."""

import json
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from django.core import mail
from django.utils import timezone

from perfops import tasks
from perfops.budgets import alerts, services, verdicts
from perfops.models import Budget, LoadRun, Waiver
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


def test_an_invalid_run_another_scenario_and_a_waiver_say_nothing():
    run()
    assert changed(run(600.0, verdict="invalid")) is None
    run(600.0, scenario="other")
    assert changed(run(600.0)) == (["p95 latency"], [])
    # Waived from now on, it is no violation that counts: that is its end.
    Waiver.objects.create(
        budget="p95 latency", reason="known", ends_at=timezone.now() + timedelta(days=1)
    )
    assert changed(run(600.0)) == ([], ["p95 latency"])


def test_a_budget_that_only_warns_says_nothing():
    Budget.objects.filter(metric="latency_p95").update(action="warn")
    assert changed(run(600.0)) is None


@pytest.fixture
def receiver():
    """A server that answers by its path: /200, /302, /500; and what it was sent."""
    taken = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(int(self.path.split("/")[1]))
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    server.taken, server.url = taken, f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


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
    plain, slack = receiver.taken
    assert plain["violated"][0]["value"] == 600
    assert "must be &lt; 500 ms" in slack["text"]


@pytest.mark.parametrize("path", ["302", "500"])
def test_a_receiver_that_fails_is_said_on_the_run_without_its_secret(path, receiver, settings):
    urls = [f"{receiver.url}/{path}/secret", "http://127.0.0.1:1/secret", "file:///secret"]
    settings.PERFOPS = {**settings.PERFOPS, "ALERT_WEBHOOKS": urls}
    made = run(600.0)
    tasks.send_alerts(made.pk)
    made.refresh_from_db()
    said = [reason for reason in made.reasons if "was not taken by" in reason]
    assert len(said) == 3
    assert "secret" not in " ".join(said)
    assert made.verdict == LoadRun.Verdict.FAILED
    assert len(receiver.taken) == 1
