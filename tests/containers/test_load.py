"""What k6 makes of requests that got no answer: sent again, counted by itself, done once."""

import json
import os
import subprocess
import sysconfig
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from tests.containers.load import USERNAME, Load


class Api(ThreadingHTTPServer):
    """Does what it is asked and cuts the connection, at the first read and at the first writes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.keys: list[str] = []
        self.rows: list[str] = []
        self.headline = ""
        self.cut = {"GET": 1, "POST": 2, "PATCH": 1}
        self.in_use = 1
        self.again: dict[str, int] = {"GET": 0, "POST": 0, "PATCH": 0}


class Handler(BaseHTTPRequestHandler):
    server: Api

    def do_GET(self) -> None:
        row = {"slug": USERNAME, "headline": self.server.headline}
        self._answer(200, row if self.path.endswith(USERNAME) else {"results": [row]})

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers["Idempotency-Key"]
        if self.path.endswith("/token"):
            self._answer(200, {"access": "x"}, cuts=False)
        elif key in self.server.keys and self.server.in_use:
            self.server.in_use -= 1
            self.server.again[self.command] += 1
            self._answer(409, {"type": "urn:midst:problem:key-in-use"})
        elif key in self.server.keys:
            self._answer(200, sent, replayed=True)
        else:
            self.server.keys.append(key)
            self.server.headline = sent.get("headline", self.server.headline)
            self.server.rows += [sent["role"]] if "role" in sent else []
            self._answer(200, sent)

    do_PATCH = do_POST  # noqa: N815 -- the library asks for this name

    def _answer(self, status: int, body: Any, *, cuts: bool = True, replayed: bool = False) -> None:
        if cuts and status == 200 and self.server.cut[self.command]:
            self.server.cut[self.command] -= 1
            self.server.again[self.command] += 1
            self.close_connection = True
            return
        self.send_response(status)
        if replayed:
            self.send_header("Idempotency-Replayed", "true")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        """Nothing: the test says what was wrong."""


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_what_got_no_answer_is_sent_again_and_is_no_failure(api: Api, tmp_path: Path) -> None:
    subprocess.run(
        [Path(sysconfig.get_path("scripts")) / "k6", "run", "--no-usage-report", "--quiet",
         f"--console-output={tmp_path / 'console'}",
         f"--summary-export={tmp_path / 'summary.json'}", Path(__file__).parent / "mixed.js"],
        env={**os.environ, "TARGET": f"http://127.0.0.1:{api.server_port}", "USERNAME": USERNAME,
             "PASSWORD": "x", "SECONDS": "2", "READS": "2"},
        check=True, stdout=subprocess.DEVNULL, timeout=120,
    )  # fmt: skip
    engine = SimpleNamespace(run=lambda *_: "\n".join(api.rows))
    load = Load(SimpleNamespace(engine=engine, name=str), tmp_path, seconds=2)
    load.seconds = 2
    felt = load.felt()
    assert (felt.failed, felt.refused, felt.bad) == (0, 0, {})
    assert felt.read_again == api.again["GET"] == 1
    assert felt.sent_again == api.again["POST"] + api.again["PATCH"] == 4
    assert felt.written == len(api.rows) > 0
    # The first write: done, cut, under way, cut, answered. The first change: done, cut, answered.
    assert (felt.replayed, felt.twice, felt.lost, felt.stale) == (2, 0, 0, 0)
