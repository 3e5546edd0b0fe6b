"""The worker over real sockets: how it ends, large bodies, and what else can be chosen."""

import http.client
import json
import os
import signal

import psutil
import pytest

from tests.server.conftest import PATIENCE_S, connect, rest

IDLE = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture(scope="module")
def served(server):
    with server() as address:
        yield address


@pytest.mark.slow
@pytest.mark.parametrize("worker", ["gthread", "sync"])
def test_the_worker_is_chosen_by_one_setting(server, worker):
    with server(worker=worker) as address:
        client = http.client.HTTPConnection(*address, timeout=PATIENCE_S)
        client.request("GET", "/health")
        answer = client.getresponse()
        assert (answer.status, answer.read()) == (200, b'{"status":"ok"}')
        assert list(refused_after_sending(address)) == [(413, "Too large")] * 2
        client.close()


@pytest.mark.slow
def test_a_client_that_rests_does_not_hold_up_the_end(server):
    with server() as address:
        client = connect(address, IDLE)
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
    # The server has ended by now: it would have waited 20 s for the client.
    rest(client)


@pytest.mark.slow
def test_a_worker_that_is_told_to_end_says_so_to_proxies_and_serves_on(server):
    """By SIGTERM; a second one ends it at once, as the fixture does it here."""
    with server(WEB_DRAIN_S="3600") as address:
        kept, other = (http.client.HTTPConnection(*address, timeout=PATIENCE_S) for _ in range(2))
        assert ends(kept) == (200, None)
        # An ended child of another test, not yet waited for, has no command line.
        (master,) = (
            each
            for each in psutil.process_iter(["cmdline", "ppid"])
            if each.info["ppid"] == os.getpid()
            and f"--bind=127.0.0.1:{address[1]}" in (each.info["cmdline"] or [])
        )
        (worker,) = master.children()
        worker.send_signal(signal.SIGTERM)
        # It takes new connections; http.client makes one where the last one was closed.
        while ends(other) == (200, None):
            assert worker.is_running()
        # A proxy that asks for its health leaves it out; what is asked of it is answered.
        assert [ends(each) for each in (kept, kept, other)] == [(503, "close")] * 3
        assert ends(other, "/nowhere") == (404, "close")
        kept.close()
        other.close()


def ends(client, path="/health"):
    """Return an answer's status and what it says of its connection."""
    client.request("GET", path)
    answer = client.getresponse()
    answer.read()
    return answer.status, answer.headers["Connection"]


def test_a_body_larger_than_the_limit_is_refused_by_its_length(served):
    client = connect(
        served,
        b"POST /api/v1/auth/token HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Content-Type: application/json\r\nContent-Length: 5000000\r\n\r\n{",
    )
    assert client.recv(100).startswith(b"HTTP/1.1 413 ")


def refused_after_sending(address):
    """Send twelve times too much, with and without its length, before reading the answers."""
    for headers in ({"Content-Length": "12000000"}, {}):
        client = http.client.HTTPConnection(*address, timeout=PATIENCE_S)
        headers["Content-Type"] = "application/json"
        body = (b" " * 1_000_000 for _ in range(12))
        is_chunked = len(headers) == 1
        client.request("POST", "/api/v1/auth/token", body, headers, encode_chunked=is_chunked)
        answer = client.getresponse()
        yield answer.status, json.loads(answer.read())["title"]
        client.close()


def test_who_reads_only_after_sending_a_body_that_is_too_large_sees_why(served):
    assert list(refused_after_sending(served)) == [(413, "Too large")] * 2


@pytest.mark.slow
def test_no_header_names_a_mount_point(served):
    client = connect(
        served,
        b"GET //evil.example/health HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"SCRIPT_NAME: //evil.example\r\nConnection: close\r\n\r\n",
    )
    assert rest(client).startswith(b"HTTP/1.1 404 ")
