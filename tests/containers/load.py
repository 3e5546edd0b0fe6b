"""Reads and writes through the proxy while something happens to the stack, and what k6 felt.

    python -m tests.containers load OLD_IMAGE NEW_IMAGE REPORT.json

starts what answers requests on OLD_IMAGE, changes it to NEW_IMAGE and back (``infra/upgrade``).
"""

import json
import os
import re
import secrets
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.containers import engine
from tests.containers.engine import ROOT
from tests.containers.stack import EXEMPT, PROXIED, PROXIES, Stack

SERVING = ("postgres", "pgbouncer", "redis", "migrate", "web", "web-2", "proxy", "proxy-2")
USERNAME = "load"
# k6 connects to one address of a name only: the second proxy gets a port of its own for it.
_ADDRESSES = {
    "TARGET": "https://localhost https://localhost:8443",
    "HOSTS": json.dumps(
        {"localhost:443": f"{PROXIES[0]}:443", "localhost:8443": f"{PROXIES[1]}:443"}
    ),
}
_PROFILE = """
from django.contrib.auth import get_user_model
from profiles.models import Profile
user, _ = get_user_model().objects.get_or_create(username="load")
user.set_password("{password}")
user.save()
Profile.objects.get_or_create(
    owner=user, slug="load", defaults={{"display_name": "Load", "visibility": "public"}})
"""
_ROWS = "SELECT role FROM profiles_experience WHERE role LIKE 'load %'"


@dataclass
class Felt:
    """What clients felt. ``refused``: 503 with Retry-After; ``lost``: acknowledged, not there.

    ``sent_again``, ``read_again``: tries that got no answer and were followed by another, which are
    not counted as failed; ``replayed``: of these writes, those that had been done; ``twice``: those
    that were done twice.
    """

    seconds: float
    requests: int
    failed: int
    refused: int
    stale: int
    written: int
    lost: int
    p95_ms: float
    slowest_s: float
    sent_again: int
    read_again: int
    replayed: int
    twice: int
    bad: dict[str, int] = field(default_factory=dict)


class Load:
    """k6 at ``reads`` a second and one client that writes, for ``seconds`` or until ``end``."""

    def __init__(self, stack: Stack, folder: Path, *, seconds: int, reads: int = 10) -> None:
        self._stack = stack
        self._summary, self._console = folder / "summary.json", folder / "console"
        self._password = secrets.token_hex(12)
        self._seconds, self._reads = seconds, reads

    def __enter__(self) -> "Load":
        script = _PROFILE.format(password=self._password)
        self._stack.engine.run(
            "exec", self._stack.name("web"), "python", "manage.py", "shell", "-v", "0", "-c", script
        )
        k6 = Path(sysconfig.get_path("scripts")) / "k6"
        self._began = time.monotonic()
        self._k6 = subprocess.Popen(
            [k6, "run", "--no-usage-report", "--quiet", "--log-output=none",
             f"--console-output={self._console}", f"--summary-export={self._summary}",
             str(Path(__file__).parent / "mixed.js")],
            env={**os.environ, **_ADDRESSES, "USERNAME": USERNAME,
                 "PASSWORD": self._password, "SECONDS": str(self._seconds),
                 "READS": str(self._reads)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        return self

    def __exit__(self, *exception: object) -> None:
        """Tell k6 to end as at the end of its time: it writes its summary."""
        self._k6.terminate()
        self._k6.wait(60)
        self.seconds = time.monotonic() - self._began

    def bad(self) -> list[tuple[float, str]]:
        """Return of each bad answer until now: when (s since 1970), and what it was."""
        found = (line.partition(" ") for line in self.lines("bad"))
        return [(int(at) / 1000, re.sub(r"\?\S*", "", what)) for at, _, what in found]

    def again(self) -> list[float]:
        """Return when requests were sent again until now (s since 1970)."""
        return [int(line.partition(" ")[0]) / 1000 for line in self.lines("again")]

    def lines(self, kind: str) -> list[str]:
        found = re.findall(rf'{kind} (.*?)"?(?: source=console)?$', self._text(), re.M)
        return [str(each) for each in found]

    def _text(self) -> str:
        return self._console.read_text() if self._console.exists() else ""

    def acknowledged(self) -> set[str]:
        """Return the names of the rows whose write was answered well until now."""
        return set(self.lines("acknowledged"))

    def more(self, writes: int = 20) -> set[str]:
        """Return what was acknowledged, once it is that many more than now."""
        enough = len(self.acknowledged()) + writes
        self._stack.wait(lambda: len(self.acknowledged()) >= enough, seconds=120)
        return self.acknowledged()

    def kept(self) -> set[str]:
        """Return the names of the rows that are there."""
        return set(self._rows())

    def _rows(self) -> list[str]:
        postgres = self._stack.name("postgres")
        found = self._stack.engine.run(
            *("exec", "--env", "PGHOST=/var/run/postgresql", postgres),
            *("psql", "--username", "postgres", "--dbname", "midst", "-Atc", _ROWS),
        )
        return found.splitlines()

    def felt(self) -> Felt:
        metrics = json.loads(self._summary.read_text())["metrics"]

        def count(name: str) -> int:
            return int(metrics.get(name, {}).get("count", 0))

        acknowledged, rows = self.acknowledged(), self._rows()
        bad = Counter(what for _, what in self.bad())
        return Felt(
            round(self.seconds), count("http_reqs"), count("failed"), count("refused"),
            count("stale"), len(acknowledged), len(acknowledged - set(rows)),
            round(metrics["felt"]["p(95)"]), round(metrics["felt"]["max"] / 1000, 1),
            count("sent_again"), count("read_again"), count("replayed"),
            len(rows) - len(set(rows)), dict(bad),
        )  # fmt: skip


def operate(stack: Stack, name: str, *arguments: str) -> None:
    """Run ``infra/NAME`` on the stack, as an operator does. Raises ``RuntimeError``."""
    compose = [*stack.engine.compose, "--project-name", engine.PROJECT, "--env-file", stack.env]
    with stack.left_alone():
        done = subprocess.run(
            [ROOT / "infra" / name, *arguments],
            cwd=ROOT, capture_output=True, text=True, timeout=900, check=False,
            env={
                **os.environ, "ENGINE": stack.engine.program,
                "COMPOSE": " ".join(map(str, compose)),
            },
        )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"infra/{name}: {done.returncode}\n{done.stdout}{done.stderr}")


def main(old: str, new: str, report: Path) -> None:
    found = engine.find()
    assert found is not None, "no engine"
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(found, Path(folder))
        try:
            stack.start("two-proxies", services=SERVING, MIDST_IMAGE=old, **EXEMPT, **PROXIED)
            felt = {}
            for way, image in (("to the new image", new), ("back to the old one", old)):
                with Load(stack, Path(folder), seconds=900) as load:
                    time.sleep(10)
                    operate(stack, "upgrade", image)
                    time.sleep(10)
                felt[way] = asdict(load.felt())
                report.write_text(json.dumps(felt, indent=1))
        finally:
            stack.stop()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
