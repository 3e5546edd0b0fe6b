"""Clients that send or read slowly, two hundred at a time, over real sockets."""

import http.client
import json
import select
import time

import pytest

from tests.server.conftest import PATIENCE_S, connect, rest

pytestmark = pytest.mark.slow
CLIENTS = 200
HEADERS = b"POST /api/v1/auth/revoke HTTP/1.1\r\nHost: 127.0.0.1\r\n"
BODY = HEADERS + b"Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"
ASK = b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
# Longer than a test takes.
NEVER = "100000"


@pytest.fixture(scope="module")
def unlimited(server):
    """A server that cuts nobody off."""
    names = ("WEB_SLOW_PER_ADDRESS", "WEB_HEADERS_S", "WEB_BODY_S", "WEB_STALLED_S")
    with server(**dict.fromkeys(names, NEVER)) as address:
        yield address


@pytest.fixture(scope="module")
def impatient(server):
    """A server that waits for a second, and for two with a body."""
    with server(WEB_HEADERS_S="1", WEB_BODY_S="2", WEB_STALLED_S="1") as address:
        yield address


def health(address):
    client = http.client.HTTPConnection(*address, timeout=PATIENCE_S)
    try:
        client.request("GET", "/health")
        return client.getresponse().status
    finally:
        client.close()


def document(address):
    client = http.client.HTTPConnection(*address, timeout=PATIENCE_S)
    try:
        client.request("GET", "/api/v1/openapi.json")
        return client.getresponse().status
    finally:
        client.close()


@pytest.mark.parametrize(
    "sent", [b"GET /health HTT", HEADERS, BODY, b""], ids=["line", "headers", "body", "nothing"]
)
def test_two_hundred_clients_that_send_no_more_keep_nobody_from_being_served(unlimited, sent):
    slow = [connect(unlimited, sent) for _ in range(CLIENTS)]
    assert [health(unlimited), document(unlimited), health(unlimited)] == [200, 200, 200]
    for each in slow:
        each.close()


def test_two_hundred_clients_that_do_not_read_keep_nobody_from_being_served(unlimited):
    slow = [connect(unlimited, ASK * 3, receive_buffer=2048) for _ in range(CLIENTS)]
    # Their first questions come all at once: more than may wait.
    until = time.monotonic() + PATIENCE_S
    while document(unlimited) != 200:
        assert time.monotonic() < until
        time.sleep(0.1)
    assert [health(unlimited), document(unlimited), health(unlimited)] == [200, 200, 200]
    for each in slow:
        each.close()


@pytest.mark.parametrize("sent", [HEADERS, b"", b"GET / HTTP/1.1\r\n"])
def test_a_client_that_does_not_finish_its_headers_gets_a_408(impatient, sent):
    answer = rest(connect(impatient, sent))
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_client_that_does_not_finish_its_body_gets_a_problem_with_408(impatient):
    client = connect(impatient, BODY)
    head, _, body = rest(client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in head.lower()
    assert json.loads(body)["status"] == 408


def test_a_body_that_drips_has_one_deadline_for_all_of_it(impatient):
    client = connect(impatient, BODY)
    answer = b""
    client.settimeout(0.2)
    until = time.monotonic() + PATIENCE_S
    while not answer and time.monotonic() < until:
        try:
            client.sendall(b" ")
            answer = client.recv(100)
        except TimeoutError:
            continue
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_client_that_reads_nothing_is_cut_off(impatient):
    client = connect(impatient, receive_buffer=2048)
    client.settimeout(1)
    assert is_cut_off(client)


def is_cut_off(client):
    """Ask on and on without reading, until the connection breaks."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        try:
            client.send(ASK * 20)
        except TimeoutError:
            continue
        except ConnectionError:
            return True
    return False


@pytest.mark.slow
def test_one_address_has_a_bounded_number_of_slow_connections(server):
    with server(WEB_SLOW_PER_ADDRESS="5", WEB_HEADERS_S=NEVER) as address:
        slow = [connect(address, HEADERS) for _ in range(20)]
        closed = set()
        until = time.monotonic() + PATIENCE_S
        while len(closed) < 15 and time.monotonic() < until:
            closed |= {each for each in select.select(slow, [], [], 1)[0] if rest(each) == b""}
        remaining = [each for each in slow if each not in closed]
        assert len(remaining) == 5
        for each in remaining:
            each.sendall(b"Content-Length: 0\r\nConnection: close\r\n\r\n")
            assert rest(each).startswith(b"HTTP/1.1 ")
