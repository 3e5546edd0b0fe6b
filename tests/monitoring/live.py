"""The whole of it, really running: Midst, its servers, the exporters, Prometheus, Alertmanager."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from midst.stack import plan as plans
from midst.stack import privileges, process, servers
from tests.e2e.conftest import free_port
from tests.monitoring import rendered
from tests.monitoring.programs import program, wait_until_ready

ROOT = settings.BASE_DIR
PATIENCE_S = 60


class Receiver(ThreadingHTTPServer):
    """Where alerts are sent: keeps (path, message) of all it got."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.messages: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.messages.append((self.path, json.dumps(json.loads(body), ensure_ascii=False)))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args: object) -> None:
        """Not a word."""


@dataclass
class Live:
    """Everything that runs; ``addresses``: HOST:PORT by job, ``servers``: PostgreSQL, Valkey."""

    folder: Path
    receiver: Receiver
    servers: servers.Servers
    addresses: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    url: str = ""
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start_web(self, name: str, port: int, **environment: str) -> str:
        """Start one more web beside the first, counted with it; return its address."""
        web = [str(Path(sys.executable).parent / "gunicorn"), "-c", "infra/gunicorn.conf.py"]
        address = f"127.0.0.1:{port}"
        self.start(name, *web, listens=address, BIND=address, **environment)
        return f"http://{address}"

    def start(self, name: str, *command: str, listens: str = "", **environment: str) -> None:
        """Start a program that dies with us; wait until it listens."""
        with (self.folder / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(
                privileges.bound(list(command), death=signal.SIGKILL),
                cwd=ROOT,
                env={**self.environment, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        if listens:
            listening(urlsplit(f"//{listens}").port)

    def stop(self, name: str) -> None:
        running = self.running.pop(name)
        running.terminate()
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait(10)

    def manage(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )

    def ask(self, path: str, **parameters: str) -> Any:
        """Return the ``data`` of an answer of Prometheus' API."""
        query = urllib.parse.urlencode(parameters)
        address = f"http://{self.addresses['prometheus']}/api/v1/{path}?{query}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, expr: str) -> list[Any]:
        return self.ask("query", query=expr)["result"]

    def firing(self) -> set[str]:
        return {
            alert["labels"]["alertname"]
            for alert in self.ask("alerts")["alerts"]
            if alert["state"] == "firing"
        }

    def told(self) -> str:
        return "\n".join(message for _, message in self.receiver.messages)


def until(condition: Any, *, what: str, seconds: float = PATIENCE_S) -> None:
    """Wait until ``condition()`` holds; ``what`` it was, if it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.3)


def listening(port: int | None) -> None:
    """A machine that has much else to do takes its time to start Django four times over."""

    def listens() -> bool:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port or 0), 1).close()
            return True
        return False

    until(listens, what=f"something listens on {port}", seconds=150)


@contextlib.contextmanager
def live(folder: Path):
    """Start everything, and end everything."""
    folder.chmod(0o755)
    receiver = Receiver()
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    stores = servers.start(folder, outside={}, death=signal.SIGINT)
    stack = Live(folder, receiver, stores)
    try:
        _midst(stack)
        _exporters(stack)
        _prometheus(stack)
        yield stack
    finally:
        for name in reversed(list(stack.running)):
            stack.stop(name)
        for child in reversed(stores.children):
            process.stop(child)
        receiver.shutdown()
        receiver.server_close()


def _midst(stack: Live) -> None:
    port, metrics_port = free_port(), free_port()
    plan = plans.Plan(port=port, metrics_port=metrics_port, profiles=300, smoke=False)
    (stack.folder / "metrics").mkdir()
    variables = {
        **plans.variables(plan, stack.servers.urls),
        "MIDST_DIR": str(stack.folder),
        "PROMETHEUS_MULTIPROC_DIR": str(stack.folder / "metrics"),
        "DJANGO_SETTINGS_MODULE": "midst.settings.dev",
    }
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    stack.environment, stack.url = {**inherited, **variables}, plan.url
    prepared = stack.manage(
        "prepare", "--profiles", "300", "--admin", "admin",
        DJANGO_SUPERUSER_PASSWORD="only-for-this-test",
    )  # fmt: skip
    assert prepared.returncode == 0, prepared.stderr
    for one in plans.programs(plan, variables):
        # Threads that share a pool, as in production.
        pool = {"DATABASE_POOL_SIZE": "4"} if one.name == "web" else {}
        stack.start(one.name, *one.command, **one.variables, **pool)
    listening(port)
    listening(metrics_port)
    stack.addresses["midst"] = f"127.0.0.1:{metrics_port}"


def _exporters(stack: Live) -> None:
    database = stack.servers.urls["DATABASE_URL"].replace("postgres://", "postgresql://")
    stack.addresses["postgres"] = address = f"127.0.0.1:{free_port()}"
    stack.start(
        "postgres_exporter",
        program("postgres_exporter"),
        "--extend.query-path=infra/postgres/exporter-queries.yml",
        # Debian's release asks for columns that PostgreSQL 17 moved; no panel needs them.
        "--no-collector.bgwriter",
        f"--web.listen-address={address}",
        listens=address,
        DATA_SOURCE_NAME=f"{database}?sslmode=disable",
    )
    redis = urlsplit(stack.servers.urls["REDIS_URL"])
    stack.addresses["redis"] = address = f"127.0.0.1:{free_port()}"
    stack.start(
        "redis_exporter",
        program("redis_exporter"),
        f"-web.listen-address={address}",
        listens=address,
        REDIS_ADDR=f"redis://{redis.hostname}:{redis.port}",
        REDIS_PASSWORD=redis.password or "",
    )
    stack.addresses["probe"] = f"{stack.url}/health"
    stack.addresses["blackbox"] = address = f"127.0.0.1:{free_port()}"
    stack.start(
        "blackbox_exporter",
        program("blackbox_exporter"),
        "--config.file=infra/blackbox/blackbox.yml",
        f"--web.listen-address={address}",
        listens=address,
    )


def _prometheus(stack: Live) -> None:
    manager = stack.addresses["alertmanager"] = f"127.0.0.1:{free_port()}"
    address = stack.addresses["prometheus"] = f"127.0.0.1:{free_port()}"
    stack.start(
        "alertmanager",
        program("alertmanager"),
        f"--config.file={rendered.alertmanager(stack.folder, receiver=stack.receiver.url)}",
        f"--storage.path={stack.folder / 'alertmanager'}",
        f"--web.listen-address={manager}",
        "--cluster.listen-address=",
        listens=manager,
    )
    config = rendered.prometheus(stack.folder, targets=stack.addresses, alertmanager=manager)
    stack.start(
        "prometheus",
        program("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={stack.folder / 'prometheus'}",
        f"--web.listen-address={address}",
        # The second is always on in current releases.
        "--enable-feature=exemplar-storage,expand-external-labels",
        RUNBOOK_URL="https://example.org/runbooks",
    )
    wait_until_ready(address)
