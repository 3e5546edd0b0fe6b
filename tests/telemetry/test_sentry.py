"""Uncaught errors reach Sentry once each, and nothing of a person goes with them."""

import json
from threading import Thread

import pytest
import sentry_sdk
from celery import shared_task
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from midst.telemetry import hiding, sentry, tracing
from tests.telemetry.processes import run
from tests.telemetry.receivers import receiver
from tests.telemetry.site import SECRETS

HEADERS = {"Authorization": f"Bearer {SECRETS[2]}", "Cookie": SECRETS[3], "X-Custom": "a-header"}


@pytest.fixture
def reported(settings):
    """What a local Sentry is told: a function that waits for it and returns the events."""
    with receiver() as server:
        settings.SENTRY_DSN = f"{server.url.replace('://', '://key@')}/1"
        settings.SENTRY_ENVIRONMENT = "testing"
        sentry.start()

        def events():
            sentry.stop()
            return server.events

        events.server = server
        yield events
        sentry_sdk.get_global_scope().set_client(None)


@pytest.fixture
def site(settings):
    settings.ROOT_URLCONF = "tests.telemetry.site"
    client = Client(raise_request_exception=False)

    def ask(path, **options):
        return client.get(path, headers=HEADERS, **options)

    return ask


def nothing_personal(server):
    told = b"\n".join(server.bodies).decode()
    assert told, "nothing came"
    for secret in (*SECRETS, *HEADERS.values(), "cookie-value", "X-Custom", "Authorization"):
        assert secret not in told


def test_a_request_that_breaks_is_told_once_with_nothing_personal(reported, site):
    assert site("/broken/7?email=ada@example.org").status_code == 500
    (event,) = reported()
    (error,) = event["exception"]["values"]
    assert (error["type"], event["transaction"]) == ("ValueError", "GET /broken/{number}")
    assert error["value"] == "[hidden] came with [hidden] 16"
    assert error["stacktrace"]["frames"][-1]["function"] == "broken"
    assert (event["environment"], event["release"]) == ("testing", "0.1.0")
    assert not {"request", "user", "breadcrumbs", "extra", "modules"} & set(event)
    assert all("vars" not in frame for frame in error["stacktrace"]["frames"])
    nothing_personal(reported.server)


@pytest.mark.django_db
def test_a_share_of_requests_become_transactions_with_their_statements(reported, client, settings):
    for share, expected in ((0.0, []), (1.0, ["GET /api/v1/taxonomy/masks"])):
        settings.SENTRY_TRACES_SAMPLE_RATE = share
        settings.CACHE_PREFIX = f"sentry-{share}"
        sentry.start()
        client.get("/api/v1/taxonomy/masks?email=ada@example.org", headers=HEADERS)
        reported()
        assert [each["transaction"] for each in reported.server.transactions] == expected
    (told,) = reported.server.transactions
    assert told["transaction_info"] == {"source": "route"}
    assert {span["op"] for span in told["spans"]} <= {"db"}
    nothing_personal(reported.server)


SHARES = """
from django.conf import settings
print(settings.SENTRY_TRACES_SAMPLE_RATE)
"""


@pytest.mark.parametrize(
    ("module", "given", "share"),
    [("dev", {}, 1.0), ("prod", {}, 0.1), ("prod", {"SENTRY_TRACES_SAMPLE_RATE": "0.5"}, 0.5)],
)
def test_all_is_traced_in_development_and_a_tenth_in_production(tmp_path, module, given, share):
    needed = {"TOKEN_SIGNING_KEY": "k" * 64, "SECRET_KEY": "s" * 64, "ALLOWED_HOSTS": "midst.test"}
    told = run(
        tmp_path, SHARES, DJANGO_SETTINGS_MODULE=f"midst.settings.{module}", **needed, **given
    )
    assert float(told) == share


@pytest.mark.parametrize("path", ["/nowhere", "/refused", "/health"])
def test_what_the_client_did_wrong_is_no_error_of_ours(reported, site, path):
    assert 400 <= site(path).status_code < 500
    assert reported() == []


@pytest.mark.django_db
def test_input_that_is_not_valid_is_no_error_of_ours(reported, client):
    answer = client.post("/api/v1/auth/token", b"{}", content_type="application/json")
    assert answer.status_code == 422
    assert reported() == []


@shared_task(name="telemetry-test.fails")
def fails(password):
    raise ValueError(f"token: {password}")


@shared_task(name="telemetry-test.expected", throws=(ValueError,))
def expected():
    raise ValueError


def test_a_task_that_breaks_is_told_once(reported):
    fails.apply([SECRETS[1]])
    (event,) = reported()
    assert event["transaction"] == "telemetry-test.fails"
    nothing_personal(reported.server)


def test_a_task_may_say_which_errors_are_none(reported):
    expected.apply()
    assert reported() == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_breaks_is_told_once(reported):
    def breaks():
        raise ValueError(f"password={SECRETS[1]}")

    thread = Thread(target=breaks, name="sweeper")
    thread.start()
    thread.join()
    (event,) = reported()
    assert event["transaction"] == "thread sweeper"
    nothing_personal(reported.server)


def command(tmp_path, server, *arguments, code):
    # Python sends the lines of `-c` too, so the password does not stand there.
    argv = f"['manage.py', 'break_down', os.environ['PASSED'], *{arguments!r}]"
    run(
        tmp_path,
        f"sys.argv = {argv}; import manage; manage.main()",
        code_of_exit=code,
        PASSED=SECRETS[1],
        SENTRY_DSN=f"{server.url.replace('://', '://key@')}/1",
        DJANGO_SETTINGS_MODULE="tests.telemetry.site",
    )


@pytest.mark.slow
def test_a_command_that_breaks_is_told_once(tmp_path):
    with receiver() as server:
        command(tmp_path, server, code=1)
        (event,) = server.events
    assert event["transaction"] == "manage.py break_down"
    nothing_personal(server)


@pytest.mark.slow
def test_a_command_that_says_what_is_wrong_is_no_error(tmp_path):
    with receiver() as server:
        command(tmp_path, server, "--expected", code=1)
        assert server.events == []


def test_event_and_trace_name_each_other(reported, site, monkeypatch):
    with receiver() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        tracing.start()
        site("/broken/7")
        tracing.stop()
        (span,) = collector.spans
    (event,) = reported()
    assert event["contexts"]["trace"]["trace_id"] == span.trace
    assert event["contexts"]["trace"]["span_id"] == span.id
    assert span.attributes["sentry.event_id"] == event["event_id"]
    assert (span.failed, span.attributes["error.type"]) == (True, "ValueError")
    assert "ada@example.org" not in json.dumps([span.attributes])


def test_a_sentry_that_is_away_or_silent_leaves_requests_alone(reported, site, monkeypatch):
    monkeypatch.setattr(sentry, "FLUSH_S", 0.1)
    reported.server.released.clear()
    # More than its queue holds.
    assert {site("/broken/7").status_code for _ in range(150)} == {500}
    sentry.stop()


def test_without_a_dsn_nothing_is_set_up(settings):
    settings.SENTRY_DSN = ""
    sentry.start()
    assert not sentry_sdk.get_client().is_active()


@pytest.mark.parametrize(
    "text",
    [
        "Key: duplicate key value\nDETAIL:  Key (username)=(hunter2) already exists.",
        "{'password': 'hunter2'}",
        "password=hunter2&x=1",
        "NEW_PASSWORD: hunter2",
        "postgres://midst:hunter2@db/midst",
        "Authorization: Bearer hunter2",
        "eyJhbGciOiJIUzI1NiJ9.hunter2.abc",
        "hunter2@example.org",
        "sent midst_hunter2",
    ],
)
def test_secrets_in_messages_are_hidden(text):
    assert "hunter2" not in hiding.hidden(text)


@given(st.emails())
def test_no_address_gets_through(address):
    name, _, domain = address.partition("@")
    assert f"{name}@{domain}" not in hiding.hidden(f"could not write to {address}, sorry")
