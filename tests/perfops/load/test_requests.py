"""Who may load what, and what happens to runs that nobody finishes."""

import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from urllib.parse import urlsplit

import kombu.pools
import pytest
from celery import current_app
from django.conf import settings as django_settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from perfops import tasks
from perfops.conf import conf
from perfops.load import services as runs
from perfops.load import targets as target
from perfops.models import LoadRun, Sample

State = LoadRun.State
LOOPBACK = ("127.0.0.0/8", "::1", "localhost")


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("http://127.0.0.1:3001", "http://127.0.0.1:3001"),
        ("http://127.0.0.1:3001/", "http://127.0.0.1:3001"),
        ("http://localhost", "http://127.0.0.1:80"),
        ("http://LOCALHOST.:80", "http://127.0.0.1:80"),
        ("http://127.1:80", "http://127.0.0.1:80"),
        ("http://2130706433", "http://127.0.0.1:80"),
        ("http://0x7f.1", "http://127.0.0.1:80"),
        ("https://[0:0::1]:8443", "https://[::1]:8443"),
        ("https://[::1]:8443", "https://[::1]:8443"),
        ("http://127.9.9.9:1", "http://127.9.9.9:1"),
    ],
)
def test_loopback_is_allowed(url, clean):
    assert target.check(url, LOOPBACK) == clean


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://192.0.2.1", "not on the list"),
        ("http://0.0.0.0:80", "not on the list"),
        ("http://2130706434.example.invalid", "has no address"),
        ("ftp://127.0.0.1", "not a URL"),
        ("127.0.0.1:3001", "not a URL"),
        ("http://", "not a URL"),
        ("http://127.0.0.1@192.0.2.1/", "no user"),
        ("http://user:pass@127.0.0.1", "no user"),
        ("http://127.0.0.1/admin", "has a path"),
        ("http://127.0.0.1:99999", "no valid port"),
        ("http://localhost:0", "no valid port"),
        ("http://127.0.0.1?x=1", "no user, password or query"),
    ],
)
def test_everything_else_is_refused_with_the_reason(url, says):
    with pytest.raises(target.TargetRefused, match=says):
        target.check(url, LOOPBACK)


@given(st.text(alphabet="0123456789:/@[]?#%", max_size=20))
def test_any_text_is_refused_or_comes_out_on_loopback(text):
    try:
        clean = target.check(f"http://127.0.0.1{text}", LOOPBACK)
    except target.TargetRefused:
        return
    assert ip_address(urlsplit(clean).hostname).is_loopback


def test_a_name_stays_where_it_is_allowed_by_name():
    assert target.check("http://web.invalid:3001", ["web.invalid"]) == "http://web.invalid:3001"


@pytest.mark.django_db
def test_another_spelling_of_a_target_is_the_same_target():
    first = runs.request_run(scenario="smoke", target="http://localhost:7", enqueue=False)
    # All of loopback is this machine, as the allow-list has it.
    for url in ("http://127.1:7", "http://2130706433:7", "http://127.0.0.2:7", "http://[::1]:7"):
        with pytest.raises(runs.RunRefused, match=f"Run {first.pk} "):
            runs.request_run(scenario="smoke", target=url, enqueue=False)


def test_a_server_on_loopback_is_our_own_at_each_of_its_addresses_but_at_no_other_port():
    own = ["http://127.0.0.1:3001"]
    for url in ("http://127.0.0.2:3001", "http://[::1]:3001", "http://localhost:3001"):
        assert target.is_one_of(url, own)
    for url in ("http://127.0.0.1:3002", "http://127.0.0.1", "http://192.0.2.1:3001"):
        assert not target.is_one_of(url, own)


def test_the_look_before_a_run_follows_no_redirect():
    asked = []

    class Moved(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_):
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Moved) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        answer = target.unreachable(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()
    assert (answer, asked) == (None, ["/health"])


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["nothing", "../smoke", "smoke.js", "", "lib/run"])
def test_an_unknown_scenario_is_refused_and_the_known_are_named(name):
    with pytest.raises(runs.RunRefused, match="api-load, mixed, smoke, stress"):
        runs.request_run(scenario=name, enqueue=False)


@pytest.fixture
def broker_away():
    """Point Celery at a port where nobody listens; its pools are made anew before and after."""

    def point_at(url):
        current_app.conf.broker_url = url
        current_app._pool = current_app.amqp._producer_pool = None
        kombu.pools.reset()

    was = current_app.conf.broker_url
    point_at("redis://127.0.0.1:1/0")
    yield
    point_at(was)


@pytest.mark.django_db
@pytest.mark.usefixtures("broker_away")
def test_a_broker_that_is_away_is_the_runs_outcome(django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        run = runs.request_run(scenario="smoke")
    run.refresh_from_db()
    assert run.state == State.FAILED
    assert "The broker does not answer" in run.reasons[0]


def claimed(age_s, **fields):
    moment = timezone.now() - timedelta(seconds=age_s)
    return LoadRun.objects.create(
        scenario="smoke",
        target=f"http://127.0.0.1:{1000 + LoadRun.objects.count()}",
        **{"state": State.RUNNING, "heartbeat_at": moment, **fields},
    )


@pytest.mark.django_db
def test_a_silent_worker_loses_its_run_and_a_living_one_keeps_it():
    silent, alive, judging = claimed(25), claimed(5), claimed(25, state=State.JUDGING)
    tasks.reap_lost_runs()
    for run in (silent, alive, judging):
        run.refresh_from_db()
    assert (silent.state, alive.state, judging.state) == (State.LOST, State.RUNNING, State.LOST)
    assert "worker has not reported for" in silent.reasons[0]


@pytest.mark.django_db
def test_a_run_that_no_worker_took_fails():
    run = LoadRun.objects.create(scenario="smoke", target="http://127.0.0.1:1")
    LoadRun.objects.update(created_at=timezone.now() - timedelta(seconds=700))
    tasks.reap_lost_runs()
    run.refresh_from_db()
    assert run.state == State.FAILED


@pytest.mark.django_db
def test_a_lost_run_frees_its_target():
    lost = claimed(25)
    again = runs.request_run(scenario="smoke", target=lost.target, enqueue=False)
    assert again.state == State.QUEUED


@pytest.mark.django_db
def test_a_queued_run_is_canceled_at_once_and_an_ended_one_not_at_all():
    run = runs.request_run(scenario="smoke", enqueue=False)
    assert runs.request_cancel(run.pk)
    run.refresh_from_db()
    assert run.state == State.CANCELED
    assert not runs.request_cancel(run.pk)


@pytest.mark.django_db
def test_old_series_go_and_summaries_stay():
    old, new = claimed(5), claimed(5)
    LoadRun.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=31))
    for run in (old, new):
        Sample.objects.create(run=run, second=0)
    tasks.expire_samples()
    assert list(Sample.objects.values_list("run_id", flat=True)) == [new.pk]
    assert LoadRun.objects.count() == 2


@pytest.mark.django_db
def test_series_go_run_by_run_so_that_a_time_limit_loses_one_at_most():
    old = [claimed(5), claimed(5)]
    LoadRun.objects.update(created_at=timezone.now() - timedelta(days=31))
    for run in old:
        Sample.objects.create(run=run, second=0)
    with CaptureQueriesContext(connection) as sent:
        tasks.expire_samples()
    deletes = [each["sql"] for each in sent if each["sql"].startswith("DELETE")]
    assert len(deletes) == len(old)
    assert not Sample.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "age_s", "is_left_out"),
    [
        ({}, 60, True),
        ({"state": "running", "heartbeat_at": "2999-01-01T00:00Z"}, 60, True),
        ({}, 3600, False),
        ({"trigger": "schedule"}, 60, False),
        ({"state": "canceled"}, 60, False),
        ({"scenario": "stress"}, 60, False),
        ({"target": "http://127.0.0.1:1"}, 60, False),
    ],
)
def test_what_somebody_has_just_run_is_not_run_by_its_schedule_again(fields, age_s, is_left_out):
    """Beat that starts again sends what was due meanwhile: `make run` has run it by then."""
    mine = LoadRun.objects.create(
        **{"scenario": "smoke", "target": conf().DEFAULT_TARGET, "state": "finished", **fields}
    )
    LoadRun.objects.update(created_at=timezone.now() - timedelta(seconds=age_s))
    tasks.scheduled_run("smoke")
    assert LoadRun.objects.exclude(pk=mine.pk).exists() is not is_left_out


@pytest.mark.django_db
def test_a_scheduled_run_is_queued_like_any_other(django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        tasks.scheduled_run("smoke")
    run = LoadRun.objects.get()
    assert (run.trigger, run.state) == ("schedule", State.QUEUED)


def test_every_thread_knows_the_broker():
    """gunicorn's requests run in threads: a run started from the admin is queued in one."""
    urls = []
    thread = threading.Thread(target=lambda: urls.append(current_app.conf.broker_url))
    thread.start()
    thread.join()
    assert urls == [django_settings.CELERY_BROKER_URL]
