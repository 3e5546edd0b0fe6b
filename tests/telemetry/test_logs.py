"""One line per request, with the ids that lead on; a client's id only when it is well-formed."""

import io
import json
import logging
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from midst.stack import ports
from midst.telemetry import logs, request_context

GIVEN = "a-client.id_42"


@pytest.fixture
def lines(capfd):
    """Log as production does; returns a function for the objects that were written."""
    root = logging.getLogger()
    (handler,) = (each for each in root.handlers if each.name == "stderr")
    before = handler.formatter
    handler.setFormatter(logs.json_formatter())
    logs._is_json.cache_clear()
    stream = io.StringIO()
    held = handler.setStream(stream)

    def written():
        both = capfd.readouterr().err + stream.getvalue()
        return [json.loads(line) for line in both.splitlines() if line.startswith("{")]

    yield written
    handler.setFormatter(before)
    handler.setStream(held)
    logs._is_json.cache_clear()


def test_a_well_formed_request_id_is_kept_and_echoed(client: Client):
    assert client.get("/health", HTTP_X_REQUEST_ID=GIVEN).headers["X-Request-ID"] == GIVEN


@pytest.mark.parametrize("given", ["short", "x" * 65, "line\nbreak-line", '{"json": "injected"}'])
def test_any_other_request_id_is_replaced(client: Client, given):
    echoed = client.get("/health", HTTP_X_REQUEST_ID=given).headers["X-Request-ID"]
    assert echoed != given
    assert request_context._WELL_FORMED.fullmatch(echoed)


@given(st.text())
def test_whatever_a_client_sends_the_id_is_well_formed(text):
    assert request_context._WELL_FORMED.fullmatch(
        request_context.identify({"HTTP_X_REQUEST_ID": text})
    )


def test_a_request_is_one_line_of_json_without_its_query(lines, client: Client):
    client.get("/nowhere?token=secret", HTTP_X_REQUEST_ID=GIVEN)
    (line,) = (each for each in lines() if each["event"] == "request")
    assert (line["method"], line["path"], line["status"]) == ("GET", "/nowhere", 404)
    assert (line["route"], line["request_id"], line["queries"]) == ("unmatched", GIVEN, 0)
    assert line["duration_ms"] >= 0
    assert "secret" not in json.dumps(line)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_every_request_has_its_line_whichever_worker_ends(gunicorn):
    server = gunicorn(LOG_FORMAT="json", LOG_LEVEL="INFO")
    names = [f"request-{number:03}" for number in range(200)]

    def ask(name):
        with urlopen(Request(f"{server.url}/health", headers={"X-Request-ID": name})) as answer:
            answer.read()

    with ThreadPoolExecutor(4) as clients:
        list(clients.map(ask, names[:100]))
        server.replace_workers()
        list(clients.map(ask, names[100:]))
    lines = [json.loads(each) for each in server.stop().splitlines() if each.startswith("{")]
    assert sorted(each["request_id"] for each in lines if each["event"] == "request") == names


def test_any_logger_writes_json_with_the_request_it_belongs_to(lines):
    token = request_context.current.set(request_context.Request(GIVEN))
    try:
        int("broken")
    except ValueError:
        logging.getLogger("anyone").exception("it %s", "broke")
    finally:
        request_context.current.reset(token)
    (line,) = (each for each in lines() if each["event"] == "it broke")
    assert (line["logger"], line["level"], line["request_id"]) == ("anyone", "error", GIVEN)
    assert "ValueError" in line["exception"]


@pytest.mark.parametrize("make", [logs.human_formatter, logs.json_formatter])
def test_a_logged_error_shows_no_local_variable_and_no_row(make):
    secrets = tuple(each[::-1] for each in ("2retnuh", "gro.elpmaxe", "0710"))
    row = f"no such row\nDETAIL:  Failing row contains (ada@{secrets[1]}, {secrets[2]})."
    person = f"sent by bob@{secrets[1]}"

    def sign_in(password):
        raise LookupError(row)

    try:
        try:
            sign_in(secrets[0])
        except LookupError as error:
            raise ValueError(person) from error
    except ValueError as error:
        told = f"it broke: {error!r}"
        record = logging.LogRecord("any", logging.ERROR, "f", 1, told, (), sys.exc_info())
    written = make().format(record)
    assert "sign_in" in written
    assert "no such row" in written
    for each in secrets:
        assert each not in written


def test_a_line_of_the_log_is_one_line_whatever_it_quotes():
    try:
        int("first\n2026-01-01 [info] forged")
    except ValueError:
        raised = sys.exc_info()
    path = "/a\n2026-01-01 [info] forged \x1b[2J\u2028"
    record = logging.LogRecord("any", logging.ERROR, "f", 1, "no answer for %s", (path,), raised)
    first, *others = logs.human_formatter().format(record).split("\n")
    assert r"/a\n2026-01-01 [info] forged \x1b[2J\u2028" in first
    assert all(each.startswith("  ") for each in others)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_server_that_lost_its_database_logs_no_password_and_no_forged_line(gunicorn):
    nowhere = f"postgres://midst:hunter3@127.0.0.1:{ports.choose(None)}/nowhere"
    server = gunicorn(LOG_FORMAT="human", WEB_CONCURRENCY="1", DATABASE_URL=nowhere)
    body = json.dumps({"username": "ada", "password": "hunter2"}).encode()
    for path in ("/api/v1/auth/token", "/admin/%0Aforged"):
        asked = Request(server.url + path, body, {"Content-Type": "application/json"})
        with pytest.raises(HTTPError) as refused:
            urlopen(asked)
        refused.value.close()
    written = server.stop()
    assert "no answer from the database" in written
    assert "OperationalError" in written
    assert "hunter" not in written
    assert not any(line.startswith("forged") for line in written.splitlines())


def test_a_log_that_nobody_reads_any_more_fails_no_request(lines, client: Client):
    reader, writer = os.pipe()
    os.close(reader)
    stderr = os.dup(2)
    os.dup2(writer, 2)
    try:
        answer = client.get("/health")
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(writer)
    assert answer.status_code == 200
