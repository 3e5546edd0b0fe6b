"""What clients feel of a Redis in trouble: latency while it lasts, and how soon hits come again.

``python -m benchmarks.cache_faults`` starts PostgreSQL, Valkey, a proxy between and gunicorn, and
makes one fault after the other while four readers and a writer are at work. It ends with 1 when a
request fails, when p95 is above the bound, or when hits do not come again within 10 s.
"""

import argparse
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from midst.stack import process, servers
from tests.kernel.cache.processes import Server
from tests.kernel.cache.proxy import Proxy

READERS, FAULT_S, RECOVERY_S = 4, 5.0, 10.0
# The time-out of one attempt; a request makes one at most before it goes on without.
BOUND_MS = 250.0
PASSWORD = "of-a-benchmark"  # noqa: S105 -- of an account that lives for a minute


class Site:
    """One gunicorn, asked by several clients at once."""

    def __init__(self, url: str) -> None:
        self.host = urlsplit(url).netloc
        credentials = {"username": "writer", "password": PASSWORD}
        self.token = self.ask("POST", "/auth/token", credentials)[1]["access"]
        self.ask("POST", "/profiles", {"slug": "ada", "display_name": "Ada"}, self.token)
        self.ask("PATCH", "/profiles/ada", {"visibility": "public"}, self.token)

    def ask(
        self, method: str, path: str, body: Any = None, token: str = ""
    ) -> tuple[int, Any, str]:
        client = http.client.HTTPConnection(self.host, timeout=30)
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            client.request(method, f"/api/v1{path}", json.dumps(body) if body else None, headers)
            answer = client.getresponse()
            return answer.status, json.loads(answer.read()), answer.headers.get("X-Cache", "")
        finally:
            client.close()

    def under_load(self, seconds: float) -> tuple[list[float], int]:
        """Return the readers' latencies (ms), and how many requests failed."""
        until, took, failed = time.monotonic() + seconds, [], []

        def read() -> None:
            while time.monotonic() < until:
                began = time.perf_counter()
                status, _, _ = self.ask("GET", "/profiles/ada")
                took.append((time.perf_counter() - began) * 1000)
                if status != 200:
                    failed.append(status)
                time.sleep(0.01)

        def write() -> None:
            number = 0
            while time.monotonic() < until:
                number += 1
                changed = {"headline": str(number)}
                status, _, _ = self.ask("PATCH", "/profiles/ada", changed, self.token)
                if status != 200:
                    failed.append(status)
                time.sleep(0.2)

        threads = [threading.Thread(target=read) for _ in range(READERS)]
        threads.append(threading.Thread(target=write))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return took, len(failed)

    def recovery_s(self) -> float:
        """Return the seconds until ten answers in a row are hits."""
        began, hits = time.monotonic(), 0
        while hits < 10 and time.monotonic() - began < RECOVERY_S * 2:
            hits = hits + 1 if self.ask("GET", "/profiles/ada")[2] == "HIT" else 0
            time.sleep(0.01)
        return time.monotonic() - began


def faults(proxy: Proxy, server: Server) -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """Return what begins and what ends each fault, by name."""

    def become(fault: str) -> tuple[Callable[[], Any], Callable[[], Any]]:
        return lambda: proxy.become(fault), lambda: proxy.become("pass")

    def signalled(number: signal.Signals) -> Callable[[], Any]:
        return lambda: os.kill(server.child.pid, number)

    return {
        "none": (lambda: None, lambda: None),
        **{name: become(name) for name in ("delay", "cut", "half_open", "reset", "garbage")},
        "stopped": (signalled(signal.SIGSTOP), signalled(signal.SIGCONT)),
        "killed": (signalled(signal.SIGKILL), server.restart),
        "flushed": (server.client.flushall, lambda: None),
    }


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    bad = False
    with ExitStack() as stack, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        running = servers.start(folder, outside={"REDIS_URL": "redis://127.0.0.1:1"}, death=None)
        for child in running.children:
            stack.callback(process.stop, child)
        (folder / "cache").mkdir()
        server = Server(folder / "cache")
        stack.callback(server.close)
        parts = urlsplit(server.url)
        proxy = Proxy(str(parts.hostname), int(parts.port or 0))
        stack.callback(proxy.close)
        site = Site(stack.enter_context(_web(folder, running.urls, proxy, parts.password or "")))
        sys.stdout.write(f"{'fault':<10} {'p50 ms':>8} {'p95 ms':>8} {'max ms':>8} hits after\n")
        for fault, (begin, end) in faults(proxy, server).items():
            begin()
            took, failed = site.under_load(FAULT_S)
            end()
            recovery_s = site.recovery_s()
            ranks = statistics.quantiles(took, n=100)
            bad = bad or failed > 0 or ranks[94] > BOUND_MS or recovery_s > RECOVERY_S
            sys.stdout.write(
                f"{fault:<10} {ranks[49]:8.1f} {ranks[94]:8.1f} {max(took):8.1f} "
                f"{recovery_s:5.1f} s  {len(took)} requests, {failed} failed\n"
            )
    return int(bad)


def _web(folder: Path, urls: dict[str, str], proxy: Proxy, password: str) -> Any:
    from tests.serving import serving

    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.kernel.cache.impatient",
        "DATABASE_URL": urls["DATABASE_URL"],
        "REDIS_URL": f"redis://:{password}@127.0.0.1:{proxy.port}",
        "RATE_LIMIT_USER": "1000000",
    }
    for command, typed in ((["migrate", "-v0"], ""), (["create_account", "writer"], PASSWORD)):
        subprocess.run(
            [sys.executable, "manage.py", *command],
            env=environment, input=f"{typed}\n", text=True, check=True,
        )  # fmt: skip
    return serving(environment, folder / "gunicorn.log")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "midst.settings.test")
    sys.exit(main())
