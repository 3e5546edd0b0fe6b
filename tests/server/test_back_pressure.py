"""What a worker does with more requests than it has threads, and how it ends."""

import asyncio
import threading

import pytest

from midst import health
from midst.server.application import Server, environ_of
from midst.server.threads import Busy, Threads, saturation


def application(environ, start_response):
    """Answer with the body; wait for what the environ holds."""
    gate = environ.get("gate")
    if gate is not None:
        assert gate.wait(60)
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def scope(method="GET", headers=(), path=b"/", query=b""):
    return {
        "type": "http", "method": method, "raw_path": path, "path": path.decode(),
        "query_string": query, "http_version": "1.1", "scheme": "http", "headers": list(headers),
        "client": ("192.0.2.7", 1234), "server": ("127.0.0.1", 80),
    }  # fmt: skip


def receiving(*pieces):
    messages = [
        {"type": "http.request", "body": piece, "more_body": number < len(pieces)}
        for number, piece in enumerate(pieces, 1)
    ]

    async def receive():
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    return receive


async def ask(server, asked, receive=None):
    sent = []

    async def send(message):
        sent.append(message)

    await server(asked, receive or receiving(b""), send)
    return sent


def test_a_full_queue_is_refused_at_once_and_what_waits_is_served():
    async def run():
        gate = threading.Event()
        threads = Threads(application, size=2, waiting=3)
        environ = {"gate": gate, "wsgi.input": type("Empty", (), {"read": lambda self: b"x"})()}
        running = [asyncio.create_task(threads.run(dict(environ))) for _ in range(5)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await threads.run(dict(environ))
        # The one that asks is left out: four others, two of them at work.
        assert saturation() == {"threads": 1.0, "queue": pytest.approx(2 / 3)}
        gate.set()
        answers = await asyncio.gather(*running)
        assert [each.status for each in answers] == [200] * 5
        assert (await threads.run(dict(environ))).status == 200
        assert saturation() == {"threads": 0.0, "queue": 0.0}

    asyncio.run(run())


def test_a_refused_request_is_told_when_to_come_again():
    async def run():
        start, body = await ask(
            Server(Threads(application, size=1, waiting=-1), largest_body=10), scope()
        )
        assert start["status"] == 503
        assert (b"retry-after", b"1") in start["headers"]
        assert b'"status":503' in body["body"]

    asyncio.run(run())


def test_whether_the_process_lives_is_answered_however_many_wait():
    async def run():
        gate = threading.Event()

        def stuck(environ, start_response):
            assert gate.wait(60)
            return application(environ, start_response)

        server = Server(Threads(stuck, size=1, waiting=1), largest_body=10)
        others = [asyncio.create_task(ask(server, scope())) for _ in range(2)]
        await asyncio.sleep(0)
        refused, _ = await ask(server, scope())
        told = [await ask(server, scope(method, path=b"/health")) for method in ("GET", "HEAD")]
        gate.set()
        assert refused["status"] == 503
        assert [start["status"] for start, _ in told] == [200, 200]
        assert [body["body"] for _, body in told] == [health.ALIVE, b""]
        assert [(await each)[0]["status"] for each in others] == [200, 200]

    asyncio.run(run())


def test_a_body_in_pieces_without_a_length_arrives_whole():
    async def run():
        server = Server(Threads(application, size=1, waiting=1), largest_body=10)
        asked = scope("POST", [(b"transfer-encoding", b"chunked")])
        _, body = await ask(server, asked, receiving(b"ab", b"cd", b"e"))
        assert body["body"] == b"abcde"

    asyncio.run(run())


def test_of_a_body_that_is_too_large_no_more_is_kept():
    async def run():
        server = Server(Threads(application, size=1, waiting=1), largest_body=4)
        asked = scope("POST", [(b"transfer-encoding", b"chunked")])
        _, body, _ = await ask(server, asked, receiving(b"abc", b"de", b"fgh"))
        assert body["body"] == b"abcde"

    asyncio.run(run())


def test_a_client_that_leaves_within_its_body_is_not_answered():
    async def run():
        server = Server(Threads(application, size=1, waiting=1), largest_body=10)

        async def receive():
            return {"type": "http.disconnect"}

        assert await ask(server, scope("POST", [(b"content-length", b"5")]), receive) == []

    asyncio.run(run())


def test_an_error_of_the_application_reaches_the_server():
    def broken(environ, start_response):
        raise LookupError("broken")

    async def run():
        with pytest.raises(LookupError):
            await Threads(broken, size=1, waiting=1).run({})

    asyncio.run(run())


def test_the_environ_is_that_of_the_request_line():
    headers = [
        (b"host", b"example.org"), (b"cookie", b"a=1"), (b"cookie", b"b=2"),
        (b"x-forwarded-for", b"192.0.2.1"), (b"x-forwarded-for", b"192.0.2.2"),
        (b"content-type", b"text/plain"),
    ]  # fmt: skip
    environ = environ_of(scope(headers=headers, path=b"/a%20b/%C3%A4", query=b"q=%20"))
    assert environ["PATH_INFO"] == "/a b/ä".encode().decode("latin-1")
    assert environ["QUERY_STRING"] == "q=%20"
    assert environ["SCRIPT_NAME"] == ""
    assert environ["HTTP_HOST"] == "example.org"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
    assert environ["HTTP_X_FORWARDED_FOR"] == "192.0.2.1,192.0.2.2"
    assert environ["CONTENT_TYPE"] == "text/plain"
    assert environ["REMOTE_ADDR"] == "192.0.2.7"
