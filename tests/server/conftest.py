"""gunicorn as production starts it, one worker, with short deadlines."""

import os
import socket
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from tests.serving import serving

PATIENCE_S = 120


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "midst.settings.test",
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path_factory.mktemp("metrics")),
    }


@pytest.fixture(scope="module")
def server(environment, tmp_path_factory):
    """Start a server with more variables; gives its address as (host, port)."""

    @contextmanager
    def start(workers=1, worker="asgi", **variables):
        log = tmp_path_factory.mktemp("server") / "gunicorn.log"
        with serving({**environment, **variables}, log, workers=workers, worker=worker) as url:
            parts = urlsplit(url)
            yield parts.hostname, parts.port

    return start


_clients: list[socket.socket] = []


@pytest.fixture(autouse=True)
def clients():
    """All that a test has opened are closed at its end, whatever became of it."""
    yield
    while _clients:
        _clients.pop().close()


def connect(address, text=b"", *, receive_buffer=None):
    """Return a connection on which ``text`` was sent."""
    client = socket.socket()
    _clients.append(client)
    if receive_buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(PATIENCE_S)
    client.connect(address)
    if text:
        client.sendall(text)
    return client


def rest(client):
    """Return what comes until the server closes; a reset ends it as well."""
    found = b""
    try:
        while piece := client.recv(65536):
            found += piece
    except ConnectionResetError:
        pass
    return found
