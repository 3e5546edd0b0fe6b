"""Real k6 against a server whose latencies, stall and errors are known: all come out as they were.

The server notes what it did with each request; a busy machine makes it slower, and is noted too.
"""

import asyncio
import json
import logging
import threading
import time

import pytest

from perfops.budgets import verdicts
from perfops.load import execution
from perfops.load import services as runs
from perfops.models import LoadRun
from perfops.models.budgets import Budget

log = logging.getLogger(__name__)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.usefixtures("quick_enough"),
]
# Of a hundred requests: how many take how often the shortest time. No percentile that is compared
# lies where one ends and the next begins: there one request more or less decides.
SHARES = ((60, 1), (37, 2), (3, 3))
DELAYS = [times for share, times in SHARES for _ in range(share)]
ERRORS_EVERY = 50
# What k6 and a busy machine may add to what the server noted (ms); they take away nothing.
ADDED_MS = 400.0
ANSWER = b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\n{}"


class KnownServer:
    """Answers request n after ``shortest_s`` times its place in ``DELAYS``; those that come in
    the seconds ``stall`` after the first, at the end of these. ``took_ms``: what each took.
    """

    def __init__(self, shortest_s, stall):
        self.shortest_s, self.stall = shortest_s, stall
        self.took_ms, self.errors, self.first_at = [], 0, None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        started = asyncio.run_coroutine_threadsafe(self._start(), self._loop)
        self.url = f"http://127.0.0.1:{started.result(30)}"

    async def _start(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=4096)
        return self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                status = await self._wait() if b"perfops-k6" in head else 200
                writer.write(ANSWER % status)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # The client has gone.
        finally:
            writer.close()

    async def _wait(self):
        came = time.monotonic()
        self.first_at = self.first_at or came
        number = len(self.took_ms)
        self.took_ms.append(0.0)
        start, end = (self.first_at + each for each in self.stall)
        delay = self.shortest_s * DELAYS[number * 37 % 100]
        await asyncio.sleep(max(delay, end - came) if start <= came < end else delay)
        self.took_ms[number] = (time.monotonic() - came) * 1000
        is_error = number % ERRORS_EVERY == ERRORS_EVERY - 1
        self.errors += is_error
        return 500 if is_error else 200

    def percentile(self, share):
        ordered = sorted(self.took_ms)
        return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]

    def close(self):
        async def end():
            self._server.close()
            others = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]
            for each in others:
                each.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()


@pytest.mark.parametrize(
    ("vus", "rate", "shortest_s", "stall"),
    [
        (100, 100, 0.3, (3, 5)),
        (2000, 450, 2.8, (0, 0)),
    ],
)
def test_what_the_server_did_is_what_is_measured(tmp_path, settings, vus, rate, shortest_s, stall):
    seconds = 10
    (tmp_path / "known.json").write_text(json.dumps({"/known": 1}))
    plan = {
        "title": "known", "start_rate": rate, "stages": [{"seconds": seconds, "rate": rate}],
        "max_vus": vus, "room_s": 10, "routes": "known.json",
    }  # fmt: skip
    (tmp_path / "scenarios.json").write_text(json.dumps({"known": plan}))
    settings.PERFOPS = {**settings.PERFOPS, "SCENARIO_DIR": tmp_path, "HEARTBEAT_S": 0.5}
    # The true p95 breaks it, however busy the machine.
    Budget.objects.filter(metric="latency_p95").update(
        target=shortest_s * 900, threshold=shortest_s * 1800
    )
    server = KnownServer(shortest_s, stall)
    try:
        run = runs.request_run(scenario="known", target=server.url, enqueue=False)
        execution.execute(run.pk, verdicts.decide)
    finally:
        server.close()
    run.refresh_from_db()
    assert run.state == LoadRun.State.FINISHED, run.reasons
    summary = run.summary
    assert summary["requests"] == len(server.took_ms)
    assert summary["errors"] == server.errors
    validity = summary["validity"]
    # A machine too busy for k6 makes the generator late: the run says so, and is no proof then.
    is_late = bool(validity["generator"]) or any(
        "planned requests" in each for each in validity["reasons"]
    )
    assert is_late or summary["requests"] + summary["dropped"] >= rate * seconds * 0.985
    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        true, found = server.percentile(share), summary["latency_ms"][name]
        log.info("%s VUs, %s: %.0f ms, measured %.0f ms, late: %s", vus, name, true, found, is_late)
        assert found >= true * 0.98, name
        assert is_late or found <= true * 1.02 + ADDED_MS, name
        # From the scheduled start it is never less.
        assert summary["intended_latency_ms"][name] >= found * 0.98, name
    unproved = LoadRun.Verdict.INVALID if is_late else LoadRun.Verdict.FAILED
    assert run.verdict in {LoadRun.Verdict.FAILED, unproved}, run.reasons
