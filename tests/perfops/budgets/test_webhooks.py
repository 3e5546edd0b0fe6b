"""Webhooks: signed, to those who want the event, again with the same id; no run fails by one."""

import re

import pytest
from django.conf import settings as project
from django.utils import timezone

from perfops import checks, tasks
from perfops.analysis import findings
from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.incidents import Incident
from perfops.budgets import webhook_events, webhooks
from perfops.models import Analysis, LoadRun
from tests.perfops.budgets.test_alerts import run

pytestmark = pytest.mark.django_db
(EXAMPLE,) = re.findall(
    r"^```python\n(import hmac\n.*?)^```",
    (project.BASE_DIR / "docs" / "regressions.md").read_text(),
    re.DOTALL | re.MULTILINE,
)
SECRET = "of the test"


@pytest.fixture
def hook(receiver, settings):
    """Have the receiver as the webhook, at a path and for events; return what it has taken."""

    def wanted(path, *events):
        url = f"{receiver.url}/{path}"
        one = {"url": url, "secret": SECRET, **({"events": events} if events else {})}
        settings.PERFOPS = {**settings.PERFOPS, "WEBHOOKS": [one]}
        return receiver.taken

    return wanted


@pytest.fixture
def queued(monkeypatch):
    """What is to be sent later, as (arguments, seconds until then)."""
    found = []
    monkeypatch.setattr(
        tasks.send_webhook,
        "apply_async",
        lambda args, **how: found.append((args, how.get("countdown", 0))),
    )
    return found


def test_the_receiver_of_the_documentation_takes_what_is_sent_once(hook):
    example = {}
    exec(EXAMPLE, example)
    verified, seen = example["verified"], set()
    taken = hook("200/a")
    (event,) = webhook_events.of_run(run(600.0))
    (its,) = webhooks.webhooks()
    assert webhooks.send(event, its) == webhooks.send(event, its) == ""
    (headers, body), again = taken
    found = verified(headers, body, SECRET, seen)
    assert (found["event"], found["verdict"], found["id"]) == ("verdict", "fail", event.id)
    assert any(each["outcome"] == "violated" for each in found["budgets"])
    assert verified(*again, SECRET, seen) is None
    assert verified(headers, body, "another", set()) is None
    assert verified(headers, body + b" ", SECRET, set()) is None
    old = {**headers, "X-Perfops-Time": "1000000000"}
    assert verified(old, body, SECRET, set()) is None


@pytest.mark.parametrize("path", ["302", "500"])
def test_what_fails_is_sent_again_with_the_same_id_five_times_and_fails_no_run(path, hook, queued):
    taken, made = hook(path), run(600.0)
    tasks._queue(webhook_events.of_run(made))
    for args, _ in queued:
        tasks.send_webhook(*args)
    assert [countdown for _, countdown in queued] == [0, 30, 120, 600, 1800]
    # The place that a redirect names was never asked.
    assert len(taken) == 5
    assert {headers["X-Perfops-Id"] for headers, _ in taken} == {f"run-{made.pk}-verdict"}
    made.refresh_from_db()
    assert made.verdict == LoadRun.Verdict.FAILED


def test_who_wants_other_events_or_was_removed_is_sent_none(hook, queued, settings):
    taken = hook("200/a", "incident opened")
    tasks._queue(webhook_events.of_run(run(600.0)))
    assert queued == []
    hook("200/a")
    tasks._queue(webhook_events.of_run(run(600.0)))
    settings.PERFOPS = {**settings.PERFOPS, "WEBHOOKS": []}
    for args, _ in queued:
        tasks.send_webhook(*args)
    assert len(queued) == 1
    assert taken == []


def analysed(*names):
    """Have an analysis find two issues in one incident for each name; what it sends."""
    before = webhook_events.open_findings("default")
    analysis = Analysis.objects.create(state="finished", finished_at=timezone.now())
    parts = [
        Incident(
            tuple(
                DetectedIssue("growth", f"public.{name}{n}", "warning", f"{name} {n}", "w", "r")
                for n in (1, 2)
            ), 0.5, "",
        )
        for name in names
    ]  # fmt: skip
    findings.record(analysis, [each for part in parts for each in part.issues], incidents=parts)
    return {
        event.name: [each["title"] for each in event.data["incidents"]]
        for event in webhook_events.of_analysis(analysis, before)
    }


def test_an_incident_is_said_when_it_opens_and_when_it_closes():
    assert analysed("a", "b") == {"incident opened": ["a 1", "b 1"]}
    assert analysed("a", "b") == {}
    assert analysed("b", "c") == {"incident opened": ["c 1"], "incident closed": ["a 1"]}
    assert analysed("a", "b", "c") == {"incident opened": ["a 1"]}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"url": "ftp://x", "secret": "s"}, "https://"),
        ({"url": "https://x"}, "needs a secret"),
        ({"url": "https://x", "secret": "s", "events": ["runs"]}, "incident opened"),
        ({"url": "https://x", "secret": "s", "event": []}, "unknown keys"),
    ],
)
def test_a_webhook_that_can_not_be_used_is_said_by_the_checks(given, says, settings):
    settings.PERFOPS = {**settings.PERFOPS, "WEBHOOKS": [given]}
    (found,) = [each for each in checks.check_project() if each.id == "perfops.E002"]
    assert says in found.msg
