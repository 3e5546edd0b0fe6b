"""The servers that are compared: Midst as in production, peers as their communities write them.

Each is one process, so that its CPU time is the server's, and logs into a pipe that is read.
"""

import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import psutil

from midst.stack import ports

ROOT = Path(__file__).parents[2]
FASTIFY = Path(__file__).with_name("fastify")
PYTHON = Path(__file__).with_name("python")
_PATIENCE_S = 60


@dataclass(frozen=True)
class Side:
    """One server: how it is called in the table, its command, and what its environment adds.

    ``{port}`` in the command stands for the port that it is given.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path = ROOT


def midst(name: str, scratch: Path, sink: str | None, **more: str) -> Side:
    """Production settings, one worker; with ``sink``: log lines, and traces at 10% to there."""
    metrics = scratch / secrets.token_hex(4)
    metrics.mkdir()
    environment = {
        "DJANGO_SETTINGS_MODULE": "midst.settings.prod",
        "SECRET_KEY": secrets.token_urlsafe(40),
        "TOKEN_SIGNING_KEY": secrets.token_urlsafe(40),
        "ALLOWED_HOSTS": "127.0.0.1",
        "SECURE_SSL_REDIRECT": "false",
        # Counted as everywhere, but no request is refused.
        "RATE_LIMIT_ADDRESS": "50000000",
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        "WEB_CONCURRENCY": "1",
        "LOG_LEVEL": "WARNING" if sink is None else "INFO",
        "CACHE_PREFIX": metrics.name,
        **more,
        **({} if sink is None else {"OTEL_EXPORTER_OTLP_ENDPOINT": sink}),
    }
    return Side(
        name, (sys.executable, "-m", "gunicorn", "-c", "infra/gunicorn.conf.py"), environment
    )


def fastify(name: str, folder: Path, sink: str | None) -> Side:
    """One process of node, with prom-client, pino and OpenTelemetry at 10% if there is ``sink``.

    ``folder`` gets its packages by npm; once.
    """
    for each in FASTIFY.iterdir():
        shutil.copy(each, folder)
    if not (folder / "node_modules").exists():
        subprocess.run(["npm", "install", "--no-audit", "--no-fund"], cwd=folder, check=True)  # noqa: S607
    preloaded = () if sink is None else ("--require", "./telemetry.js")
    environment = {"NODE_ENV": "production"}
    environment |= _telemetry(sink)
    return Side(name, ("node", *preloaded, "server.js"), environment, folder)


def _telemetry(sink: str | None) -> dict[str, str]:
    if sink is None:
        return {}
    return {
        "TELEMETRY": "on",
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.1",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
    }


def python(folder: Path) -> Path:
    """Return the folder of programs of an environment in ``folder`` with the peers' packages."""
    # As the Makefile finds it.
    uv = shutil.which("uv") or ROOT / ".midst" / "uv" / "bin" / "uv"
    subprocess.run(
        [uv, "sync", "--quiet", "--frozen", "--project", PYTHON],
        env={**os.environ, "UV_PROJECT_ENVIRONMENT": str(folder)},
        check=True,
    )
    return folder / "bin"


def peers_in_python(programs: Path, telemetry: str, sink: str | None) -> list[Side]:
    """Return one process each of FastAPI, Flask, Django REST framework and Django with ninja.

    ``programs`` is what ``python`` returned; ``telemetry`` ends each name; with ``sink``: a log
    line, Prometheus' metrics and traces at 10%, by each framework's usual packages.
    """
    instrumented = () if sink is None else (f"{programs}/opentelemetry-instrument",)
    quiet = ("--no-access-log",) if sink is None else ()
    log = () if sink is None else ("--access-logfile=-",)
    threads = (
        f"{programs}/gunicorn", "--bind=127.0.0.1:{port}", "--workers=1", "--threads=4", *log
    )  # fmt: skip

    def side(name: str, *command: str, **more: str) -> Side:
        return Side(
            f"{name}, {telemetry}", (*instrumented, *command), {**_telemetry(sink), **more}, PYTHON
        )

    def django(name: str, urls: str) -> Side:
        return side(
            name, *threads, "django_wsgi", DJANGO_SETTINGS_MODULE="django_settings", PEER_URLS=urls
        )

    return [
        side("FastAPI", f"{programs}/uvicorn", "--port={port}", *quiet, "fastapi_peer:app"),
        side("Flask", *threads, "flask_peer:app"),
        django("Django REST framework", "drf_peer"),
        django("Django with ninja", "ninja_peer"),
    ]


class Running:
    """A side that serves, until ``stop``."""

    def __init__(self, side: Side, urls: Mapping[str, str], log: Path) -> None:
        self.side, self.port = side, ports.choose(None)
        self._reader = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=log.open("w"))
        self._process = subprocess.Popen(
            [each.replace("{port}", str(self.port)) for each in side.command],
            env={
                **os.environ, **urls, **side.environment,
                "PORT": str(self.port), "BIND": f"127.0.0.1:{self.port}",
            },
            cwd=side.folder, stdout=self._reader.stdin, stderr=self._reader.stdin,
        )  # fmt: skip
        deadline = time.monotonic() + _PATIENCE_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{side.name} does not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.2)

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5).close()
        except OSError:
            return False
        return True

    def cpu_s(self) -> float:
        """Return the CPU seconds that all threads of the server have used so far."""
        top = psutil.Process(self._process.pid)
        spent = 0
        for each in [top, *top.children(recursive=True)]:
            for thread in Path(f"/proc/{each.pid}/task").iterdir():
                spent += int((thread / "schedstat").read_text().split()[0])
        return spent / 1e9

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(_PATIENCE_S)
        cast(IO[bytes], self._reader.stdin).close()
        self._reader.wait(_PATIENCE_S)
