"""docker-compose.yml started for real, with a ``.env`` made from ``.env.example``."""

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.containers.engine import ROOT, Engine

IMAGE = "midst:0.1.0"
# The tests begin on this one. UPGRADE_FROM names an older image; else it is the same, renamed.
BEFORE = os.environ.get("UPGRADE_FROM", f"{IMAGE}-before")
# beat has nothing to ask for its health, and migrate ends.
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
# What it takes to start is not what is killed, frozen or restarted.
FAULTED = tuple(name for name in SERVICES if name != "migrate")
HEALTHY_S = 240
# Between two looks at all containers: each takes podman half a second of CPU.
LOOK_S = 2
# What is healthy is asked again: each question takes up to a second of a busy machine.
HEALTHY_AGAIN_S = 30
# A service that ends more often than that stays ended. The tests end beat once.
RESTARTS = 5
WELL = {"healthy", "running", "ended"}
# What works when it is left empty.
OPTIONAL = {"CORS_ALLOWED_ORIGINS", "SENTRY_DSN", "PROXY_ADDRESS"}
# What .env.example says to change for `--profile two-proxies`.
PROXIES = ("127.0.0.1", "127.0.0.2")
PROXIED = {
    "BEHIND_TLS_PROXY": "true", "TRUSTED_PROXY_HOPS": "1",
    "PROXY_ADDRESS": PROXIES[0], "PROXY_2_ADDRESS": PROXIES[1],
}  # fmt: skip
# Beside the worker this machine, on which k6 runs: web sees it as the network's own address.
EXEMPT = {"RATE_LIMIT_EXEMPT": "172.30.254.10/32,172.30.254.1/32"}


def fill_in(example: str, **values: str) -> str:
    """Return ``example`` with a value for each variable that has none; ``values`` go first."""
    lines = []
    for line in example.splitlines():
        name, sign, value = line.partition("=")
        if sign and not line.startswith("#"):
            value = values.get(name) or value or _value(name)
            lines.append(f"{name}={value}")
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def _value(name: str) -> str:
    if name in OPTIONAL:
        return ""
    if "URL" in name:
        return "http://127.0.0.1:9/"
    return secrets.token_hex(24)


class NotWell(AssertionError):
    """The stack is not as it should be; says the last lines of each service."""


class Stack:
    """The services of docker-compose.yml in containers of the project ``midst-test``."""

    def __init__(self, engine: Engine, folder: Path, *, restarts: int = RESTARTS) -> None:
        self.engine = engine
        self._restarts = restarts
        self.env = folder / ".env"
        self._done = threading.Event()
        # By service, how many seconds after the start it was first seen well.
        self.well_after_s: dict[str, int] = {}
        # By service, the last lines of its container each time that it ended by itself.
        self.ended: dict[str, list[str]] = {}
        self._prober: threading.Thread | None = None
        self._left_alone = False
        self._starting = False

    def start(self, *profiles: str, services: Sequence[str] = (), **variables: str) -> None:
        """Start on images that are built (``python -m tests.containers``), wait for health.

        Starts ``services`` alone where some are named.

        Raises ``NotWell`` with the last lines of each service when it is not healthy in 4 minutes.
        """
        self.env.write_text(fill_in((ROOT / ".env.example").read_text(), **variables))
        services = services or list(SERVICES)
        self._flags = [flag for profile in profiles for flag in ("--profile", profile)]
        # A run that was killed leaves containers in a network that is gone, and other passwords.
        self.engine.remove_left_over()
        self.compose("down", "--volumes")
        if self.engine.program == "docker":
            self.compose("up", "--detach", "--wait", "--no-build", *services)
            return
        # Without systemd nothing runs podman's health checks or starts again what ended, and before
        # 4.6 podman-compose can't wait for them: so each starts when those it waits for are there.
        self._prober = threading.Thread(target=self._watch, daemon=True)
        self._prober.start()
        self._starting, self._began = True, time.monotonic()
        started: set[str] = set()
        while started < set(services):
            self.wait(lambda seen=frozenset(started): bool(self._startable(services) - seen))
            now = self._startable(services) - started
            self.compose("up", "--detach", "--no-build", "--no-deps", *sorted(now))
            started |= now
        self.wait(lambda: not self.unwell())
        self._startable(services)
        self._starting = False

    @contextmanager
    def left_alone(self) -> Iterator[None]:
        """Start nothing again meanwhile: a command stops services on purpose."""
        self._left_alone = True
        try:
            yield
        finally:
            self._left_alone = False

    def compose(self, *arguments: str) -> str:
        return self.engine.composed(*self._flags, *arguments, env=self.env)

    def name(self, service: str) -> str:
        """Return the name of the service's container."""
        name: str = self.engine.containers()[service]["Name"]
        return name.lstrip("/")

    def unwell(self) -> dict[str, str]:
        """Return by service the state of each that is not as it should be."""
        containers = self.engine.containers()
        return {
            service: state
            for service in containers
            if (state := _state(containers[service])) not in WELL
        }

    def wait(self, condition: Callable[[], bool], *, seconds: float = HEALTHY_S) -> float:
        """Return after how many seconds ``condition`` was met."""
        began = time.monotonic()
        while not condition():
            given_up = [name for name, ends in self.ended.items() if len(ends) > self._restarts]
            if given_up or time.monotonic() - began > seconds:
                why = (
                    f"ended more than {self._restarts} times: {given_up}"
                    if given_up
                    else "too late"
                )
                raise NotWell(f"{why} ({seconds:.0f} s): {self.unwell()}\n{self.last_lines()}")
            time.sleep(LOOK_S)
        return time.monotonic() - began

    def last_lines(self) -> str:
        """Return the last lines of each service, more of those that are not well or ended."""
        unwell = {*self.unwell(), *self.ended}
        return "\n".join(
            self.engine.logs([container["Name"].lstrip("/")], lines=25 if service in unwell else 8)
            for service, container in sorted(self.engine.containers().items())
        )

    def stop(self) -> None:
        """Remove the containers, networks and volumes."""
        self._done.set()
        if self._prober is not None:
            self._prober.join(30)
        # Nobody needs their answers any more: some take half a minute to end in order.
        for container in self.engine.containers().values():
            self.engine.run("kill", container["Id"], check=False)
        self.compose("down", "--volumes")
        self.engine.remove_left_over()

    def start_again(self, service: str, container: dict[str, Any]) -> None:
        """Start ``service``, which ended, and keep its last lines: only so many times."""
        ends = self.ended.setdefault(service, [])
        if len(ends) <= self._restarts:
            ends.append(self.engine.logs([container["Name"]]))
        if len(ends) <= self._restarts:
            self.engine.run("start", container["Id"], check=False)

    def _startable(self, services: Sequence[str]) -> set[str]:
        """Return those of ``services`` for which all that they wait for is as they want it."""
        states = {name: _state(each) for name, each in self.engine.containers().items()}
        seconds = round(time.monotonic() - self._began)
        for name, state in states.items():
            if state in WELL:
                self.well_after_s.setdefault(name, seconds)
        wanted = {"service_completed_successfully": "ended", "service_healthy": "healthy"}
        return {
            service
            for service in services
            if all(
                other not in services or states.get(other) == wanted[wait["condition"]]
                for other, wait in SERVICES[service].get("depends_on", {}).items()
            )
        }

    def _watch(self) -> None:
        """Do what systemd would: run each health check, but those of the healthy less often.

        And do what restart policies ask for, only so many times for each service: podman does not,
        where ``migrate`` has ended.
        """
        due: dict[str, float] = {}
        while not self._done.wait(LOOK_S):
            try:
                containers = self.engine.containers()
            except RuntimeError:
                # One was removed between being listed and looked at: an upgrade does that.
                continue
            for service, container in containers.items():
                status = container["State"]["Status"]
                if status in {"exited", "stopped"} and SERVICES[service]["restart"] != "no":
                    if not self._left_alone:
                        self.start_again(service, container)
                elif status == "running":
                    self._probe(service, container, due)

    def _probe(self, service: str, container: dict[str, Any], due: dict[str, float]) -> None:
        check = SERVICES[service].get("healthcheck")
        now = time.monotonic()
        if check is not None and now >= due.get(service, 0):
            healthy = _state(container) == "healthy"
            if healthy and self._starting:
                return
            due[service] = now + (HEALTHY_AGAIN_S if healthy else 2)
            self.engine.run("healthcheck", "run", container["Id"], check=False)


def _state(container: dict[str, Any]) -> str:
    """Return ``healthy``, ``running`` (nothing to ask), ``ended`` (well) or what is wrong."""
    state = container["State"]
    service = SERVICES[container["Config"]["Labels"]["com.docker.compose.service"]]
    if state["Status"] == "exited" and state["ExitCode"] == 0 and service["restart"] == "no":
        return "ended"
    if state["Status"] != "running":
        return f"{state['Status']} ({state['ExitCode']})"
    if "healthcheck" not in service:
        return "running"
    health = state.get("Health") or state.get("Healthcheck") or {}
    status: str = health.get("Status") or "starting"
    return status
