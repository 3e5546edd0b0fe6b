"""Who runs in development, with which command line and which variables."""

import os
import secrets
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from midst.stack import ports, privileges, process, servers, state
from midst.stack.state import StackError

MIN_FREE_BYTES = 500 * 1024 * 1024


@dataclass(frozen=True)
class Plan:
    """Choices of one start, all from the environment."""

    port: int
    metrics_port: int
    profiles: int
    smoke: bool

    @property
    def url(self) -> str:
        return f"http://{ports.HOST}:{self.port}"

    @property
    def metrics_url(self) -> str:
        return f"http://{ports.HOST}:{self.metrics_port}/metrics"


def read() -> Plan:
    """Read the plan from the environment. Raises ``StackError`` naming a wrong value."""
    return Plan(
        port=_number("MIDST_PORT", 3001, highest=65535),
        metrics_port=_number("METRICS_PORT", 9464, highest=65535),
        profiles=_number("MIDST_PROFILES", 10_000, highest=100_000_000),
        smoke=_number("MIDST_SMOKE", 1, highest=1, lowest=0) == 1,
    )


def _number(name: str, default: int, *, highest: int, lowest: int = 1) -> int:
    text = state.CALLER.get(name) or str(default)
    if not text.isdecimal() or not lowest <= int(text) <= highest:
        raise StackError(f"{name}={text!r} is not a whole number from {lowest} to {highest}.")
    return int(text)


def check_ground(plan: Plan) -> None:
    """Raise ``StackError`` when there is no port, no disk or no right to write."""
    ports.require(plan.port, purpose="the API and the admin", variable="MIDST_PORT")
    ports.require(plan.metrics_port, purpose="metrics", variable="METRICS_PORT")
    free = shutil.disk_usage(state.ROOT).free
    if free < MIN_FREE_BYTES:
        raise StackError(
            f"Only {free // 1024**2} MB are free where {state.ROOT} lies; "
            f"{MIN_FREE_BYTES // 1024**2} MB are needed. Make room, or set MIDST_DIR."
        )


def variables(plan: Plan, urls: dict[str, str]) -> dict[str, str]:
    """Return what every process of the stack needs; the secret key stays between starts."""
    return {
        **urls,
        "SECRET_KEY": state.CALLER.get("SECRET_KEY")
        or state.environment().get("SECRET_KEY")
        or secrets.token_urlsafe(50),
        "METRICS_PORT": str(plan.metrics_port),
        "PERFOPS_TARGET": plan.url,
        "PROMETHEUS_MULTIPROC_DIR": str(state.ROOT / "metrics"),
    }


@dataclass(frozen=True)
class Program:
    """One of our own processes; it gets the signal ``death`` when we end."""

    name: str
    command: list[str]
    variables: dict[str, str]
    death: signal.Signals = signal.SIGTERM

    def start(self) -> process.Child:
        return process.spawn(
            self.name,
            privileges.bound(self.command, death=self.death),
            environment={**os.environ, **self.variables},
            folder=state.CHECKOUT,
            log=servers.log(state.ROOT, self.name),
        )


def programs(plan: Plan, variables: dict[str, str]) -> list[Program]:
    """Return web, metrics, worker and, last, beat."""
    python = sys.executable
    celery = [python, "-m", "celery", "-A", "midst.celery"]
    beat_file = state.ROOT / "beat"
    return [
        Program(
            "web",
            [str(Path(python).parent / "gunicorn"), "-c", "infra/gunicorn.conf.py"],
            {**variables, "BIND": f"{ports.HOST}:{plan.port}"},
        ),
        Program("metrics", [python, "manage.py", "metrics_server"], variables),
        Program(
            "worker",
            [*celery, "worker", "--concurrency", "2", "--loglevel", "INFO", "--without-gossip"],
            {**variables, "MIDST_SERVICE": "midst-worker"},
            # A warm shutdown would wait for the end of a load run.
            death=signal.SIGKILL,
        ),
        Program(
            "beat",
            [*celery, "beat", "--loglevel", "INFO", "--pidfile=", "-s", str(beat_file)],
            {**variables, "MIDST_SERVICE": "midst-beat"},
        ),
    ]
