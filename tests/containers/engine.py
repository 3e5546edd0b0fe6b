"""The container engine of this machine: Docker with Compose, else podman with podman-compose."""

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "midst-test"


@dataclass(frozen=True)
class Engine:
    """``program`` is ``docker`` or ``podman``; ``compose`` the command that reads the file."""

    program: str
    compose: tuple[str, ...]

    @property
    def makes_images(self) -> bool:
        """Podman works on images made here; Docker pulls the real ones."""
        return self.program == "podman"

    def run(self, *arguments: str, timeout: float = 120, check: bool = True) -> str:
        """Run the engine and return what it printed; raise ``RuntimeError`` with it on failure."""
        return _run([self.program, *arguments], timeout=timeout, check=check)

    def composed(self, *arguments: str, env: Path, timeout: float = 600) -> str:
        """Run Compose on our file with the variables of ``env``."""
        command = [*self.compose, "--project-name", PROJECT, "--env-file", str(env), *arguments]
        return _run(command, timeout=timeout)

    def build(self, tag: str) -> None:
        """Build our Dockerfile; uv's downloads are kept between builds where podman can."""
        command = ["build", "--network", "host", "--tag", tag]
        if self.makes_images:
            cache = Path(os.environ.get("UV_CACHE_DIR", Path.home() / ".cache" / "uv"))
            cache.mkdir(parents=True, exist_ok=True)
            command += ["--volume", f"{cache}:/root/.cache/uv"]
        self.run(*command, str(ROOT), timeout=600)

    def containers(self) -> dict[str, dict[str, Any]]:
        """Return by service what the engine knows of each container of the project."""
        label = f"label=com.docker.compose.project={PROJECT}"
        ids = self.run("ps", "--all", "--quiet", "--filter", label).split()
        if not ids:
            return {}
        found: list[dict[str, Any]] = json.loads(self.run("inspect", *ids))
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in found}

    def remove_left_over(self) -> list[str]:
        """Remove the project's containers and the NAT rules to them; return these rules.

        Podman's netavark takes rules away in the network namespace in which a container is
        removed. Where that is another one than it was started in (a killed run had its own), the
        rules stay, and the ports of this machine that they name lead nowhere. So each container
        is removed where it was started, and what is there of earlier runs goes as well.
        """
        for container in self.containers().values():
            monitor = container["State"].get("ConmonPid", 0)
            where = Path(f"/proc/{monitor}/ns/net")
            enter = ["nsenter", f"--net={where}"] if monitor and where.exists() else []
            remove = [self.program, "rm", "--force", "--volumes", container["Id"]]
            _run([*enter, *remove], timeout=120, check=False)
        if self.program != "podman" or shutil.which("iptables") is None:
            return []
        return remove_rules(f"{PROJECT}_default")

    def logs(self, names: Iterable[str], *, lines: int = 25) -> str:
        """Return the last lines of each container, for a failure's message."""
        return "\n".join(
            f"--- {name}\n{self.run('logs', '--tail', str(lines), name, check=False)}"
            for name in names
        )


def remove_rules(network: str) -> list[str]:
    """Remove netavark's NAT rules of podman's network ``network`` here; return those removed.

    Its chains are named after the network: 13 digits of the SHA-512 of its name, in upper case.
    """
    mark = hashlib.sha512(network.encode()).hexdigest()[:13].upper()
    table = ["iptables", "--wait", "--table", "nat"]
    rules = _run([*table, "--list-rules"], timeout=30, check=False).splitlines()
    ours = [rule for rule in rules if mark in rule and rule.startswith("-A ")]
    for rule in ours:
        _run([*table, *shlex.split(rule.replace("-A ", "-D ", 1))], timeout=30)
    for rule in rules:
        if mark in rule and rule.startswith("-N "):
            _run([*table, *shlex.split(rule.replace("-N ", "-X ", 1))], timeout=30)
    return ours


def find() -> Engine | None:
    """Return the engine to use; ``CONTAINER_ENGINE`` names one, else Docker goes first."""
    wanted = os.environ.get("CONTAINER_ENGINE", "")
    if (
        wanted in {"", "docker"}
        and shutil.which("docker")
        and _works("docker", "compose", "version")
    ):
        return Engine("docker", ("docker", "compose"))
    compose = Path(sysconfig.get_path("scripts")) / "podman-compose"
    if wanted in {"", "podman"} and shutil.which("podman") and compose.exists():
        return Engine("podman", (sys.executable, str(compose)))
    return None


def _works(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _run(command: list[str], *, timeout: float, check: bool = True) -> str:
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False
    )
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + (done.stderr if not check else "")
