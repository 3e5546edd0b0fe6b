"""A small real server to load, and scenarios that take seconds."""

import contextlib
import json
import shutil
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.conf import settings as django_settings

from perfops.conf import conf
from perfops.models import Budget

PAGE = json.dumps({"results": [{"id": "1", "slug": "one"}], "next": None, "count": 1}).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        if server.delay_s and self.headers.get("User-Agent") == "perfops-k6":
            time.sleep(server.delay_s)
        if server.capacity and self.headers.get("User-Agent") == "perfops-k6":
            server.queue()
        broken = next(server.numbers) % 100 < server.error_share * 100 and self.is_load()
        body = b"{}" if broken else PAGE
        server.paths.add(self.path)
        server.count += 1
        if self.headers.get("Authorization"):
            server.tokens.add(self.headers["Authorization"])
        moved = self.path == "/moved"
        self.send_response(302 if moved else 500 if broken and self.path != "/health" else 200)
        if moved:
            self.send_header("Location", "/from-moved")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        if self.path not in {"/health", "/ready"}:
            self.send_header("X-Cache", "HIT" if next(server.numbers) % 10 else "MISS")
        self.end_headers()
        self.wfile.write(body)

    def is_load(self):
        """Not the look-up of ids before it, which asks a few times only."""
        return next(self.server.numbers) > 300

    def log_message(self, *args):
        """Not a word: thousands of requests come."""


class Receiver(BaseHTTPRequestHandler):
    """Answers by its path (/200, /302, /500), and keeps headers and bodies of what it was sent."""

    def do_POST(self):
        server = self.server
        server.taken.append((self.headers, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(int(self.path.split("/")[1]))
        self.send_header("Location", f"{server.url}/200/moved")
        self.end_headers()

    def log_message(self, *_):
        """Not a word."""


@pytest.fixture
def receiver():
    """A server of webhooks at ``url``, with what it has ``taken``."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.taken, server.url = [], f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    # As many as k6 may open at once: a full queue makes each wait for a second.
    request_queue_size = 1024
    delay_s = 0.0
    error_share = 0.0
    # Requests per second that it works off, one after the other; 0 for as many as come.
    capacity = 0
    # Requests so far.
    count = 0

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.numbers = iter(range(10**9))
        self.connections = set()
        self.free_at, self.lock = 0.0, threading.Lock()
        # What it was asked for, and with which credentials.
        self.paths, self.tokens = set(), set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def queue(self):
        """Wait for one's turn: no busy machine makes it serve more than its capacity."""
        with self.lock:
            self.free_at = max(self.free_at, time.monotonic()) + 1 / self.capacity
            turn = self.free_at
        time.sleep(max(0.0, turn - time.monotonic()))

    def process_request(self, request, client_address):
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address):
        """A client that goes away, or a server that is killed, is what the tests are about."""

    def die(self):
        """Like kill -9: nothing listens any more, open connections break."""
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def site():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    if thread.is_alive() and server.socket.fileno() != -1:
        server.die()
    thread.join(10)


@pytest.fixture
def quick_enough(transactional_db):
    """Budgets of latency that a busy machine keeps as well: these runs are not about its speed."""
    quick = Budget.objects.filter(metric__startswith="latency")
    quick.update(target=20_000, threshold=25_000)


@pytest.fixture
def scenario(tmp_path, settings):
    """Write a scenario of a few seconds, with the project's own scripts, and return its name."""
    directory = tmp_path / "k6"
    shutil.copytree(django_settings.PERFOPS["SCENARIO_DIR"], directory)

    def make(*, rate=160, seconds=7, max_vus=600, judged=True, name="smoke"):
        spec = {
            "title": "short",
            "start_rate": rate,
            "stages": [{"seconds": seconds, "rate": rate}],
            "max_vus": max_vus,
            "judged": judged,
            # A server that shares its machine and its Python with the test may well stand still
            # for longer than usual; then k6 drops what it should send.
            "room_s": 3,
        }
        (directory / "scenarios.json").write_text(json.dumps({name: spec}))
        return name

    make()
    settings.PERFOPS = {**django_settings.PERFOPS, "SCENARIO_DIR": directory, "HEARTBEAT_S": 0.5}
    assert directory == conf().SCENARIO_DIR
    return make
