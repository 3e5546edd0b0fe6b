"""Start Midst the way a newcomer does: `make run` in a clean clone."""

import http.cookiejar
import os
import re
import signal
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_S = 420
END_S = 60


@dataclass
class Newcomer:
    """A clean clone, and who works in it (``run_as``: a command that changes the user)."""

    clone: Path
    port: int
    metrics_port: int
    environment: dict[str, str]
    run_as: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.clone.parent / "make-run.log"

    def processes(self) -> list[psutil.Process]:
        """Everything that runs from the clone or on its behalf."""
        found = []
        for process in psutil.process_iter(["cmdline", "cwd", "status"]):
            told = " ".join([*(process.info["cmdline"] or []), process.info["cwd"] or ""])
            if str(self.clone) in told and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found

    def supervisor(self) -> psutil.Process:
        """The process that `make run` has become."""
        (found,) = (
            process
            for process in self.processes()
            if process.cmdline()[-3:] == ["manage.py", "stack", "run"]
            and "setpriv" not in process.name()
        )
        return found

    def processes_left(self) -> list[psutil.Process]:
        """What is left once processes had the time to end."""
        deadline = time.monotonic() + END_S
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return left

    @contextmanager
    def make_run(self, until: str = r"Ctrl-C") -> Iterator[subprocess.Popen[bytes]]:
        """`make run`, once its output matches ``until``; in the end it gets Ctrl-C."""
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [*self.run_as, "make", "run"],
                cwd=self.clone,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        try:
            self.wait_for(until, process)
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
                process.wait(PATIENCE_S)

    def wait_for(self, pattern: str, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not re.search(pattern, self.output):
            ended = process.poll()
            assert ended is None, f"make run ended with {ended}:\n{self.output}"
            assert time.monotonic() < deadline, f"no {pattern!r} in time:\n{self.output}"
            time.sleep(0.5)

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.run_as, ".venv/bin/python", "manage.py", *arguments],
            cwd=self.clone,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )


class Admin:
    """A person in the admin, by plain HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.cookies = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    def get(self, path: str) -> str:
        with self.opener.open(f"{self.url}{path}", timeout=30) as response:
            return response.read().decode()

    def log_in(self, name: str, password: str) -> None:
        self.get("/admin/login/")
        token = next(cookie.value for cookie in self.cookies if cookie.name == "csrftoken")
        form = {"username": name, "password": password, "csrfmiddlewaretoken": token}
        request = urllib.request.Request(
            f"{self.url}/admin/login/?next=/admin/",
            data=urllib.parse.urlencode(form).encode(),
            headers={"Referer": self.url},
        )
        with self.opener.open(request, timeout=30) as response:
            assert response.url.endswith("/admin/"), "the login was refused"
