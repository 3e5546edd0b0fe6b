"""The guide's walk through ``examples/bookshop``: its commands are run, its output is compared."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
import pytest

from tests.perfops.adoption.settings_table import DOCUMENT, ROOT

PYTHON = Path(sys.executable).resolve().parent
DATABASE = "bookshop"
# What the walk needs of this repository.
PARTS = ("perfops", "examples")


@dataclass
class Step:
    command: str
    expected: list[str] = field(default_factory=list)


def steps() -> list[Step]:
    """Return the ``$ `` lines of the guide's consoles, each with the output below it."""
    found: list[Step] = []
    section = DOCUMENT.read_text().partition("## On an example first\n")[2].partition("\n## ")[0]
    for block in re.findall(r"```console\n(.*?)```", section, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Step(line.removeprefix("$ ")))
            elif line.startswith("> "):
                found[-1].command += "\n" + line.removeprefix("> ")
            else:
                found[-1].expected.append(line)
    return found


def is_as(printed: str, expected: list[str]) -> bool:
    """Say whether ``printed`` is what is expected, where ``...`` stands for anything."""
    if not expected:
        return True
    parts = [
        "(?:.*\n)*?" if line.strip() == "..." else re.escape(line).replace(r"\.\.\.", ".*") + "\n"
        for line in expected
    ]
    # What follows the last line that is shown is left out as well.
    return re.match("".join(parts), printed) is not None


@pytest.fixture
def shell(tmp_path):
    """Run commands as one shell session in a copy of the repository, with a database server."""
    for part in PARTS:
        ignored = shutil.ignore_patterns("__pycache__", "dist")
        shutil.copytree(ROOT / part, tmp_path / part, ignore=ignored)
    url = urlsplit(os.environ["DATABASE_URL"])
    environment = {
        name: value for name, value in os.environ.items()
        if name in {"PATH", "HOME", "LANG"} or name.startswith(("PIP_", "SSL_", "UV_"))
    }  # fmt: skip
    environment |= {
        # uv is where `make install` has put it when the machine had none; and this Python.
        "PATH": ":".join(map(str, (ROOT / ".midst" / "uv" / "bin", PYTHON, os.environ["PATH"]))),
        "PGHOST": url.hostname, "PGPORT": str(url.port), "PGUSER": url.username,
        "PGPASSWORD": unquote(url.password or ""),
    }  # fmt: skip
    state = tmp_path / "state"
    state.touch()

    def run(command: str) -> str:
        # The folder and the environment go from one command to the next.
        kept = f"code=$?; {{ export -p; echo \"cd '$PWD'\"; }} > {state}; exit $code"
        script = f"cd {tmp_path}; . {state}\n{command}\n{kept}"
        done = subprocess.run(
            ["bash", "-c", script], env=environment, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        # perfops' own commands say by 1 and 2 what they found.
        tells = re.search(r"manage.py (perfops_start|analyze_db|advise_indexes)", command)
        codes = {0, 1, 2} if tells else {0}
        assert done.returncode in codes, command + done.stdout
        assert "Traceback" not in done.stdout, command + done.stdout
        return done.stdout

    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        yield run
        server.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")


@pytest.mark.e2e
def test_the_guide_leads_through_the_example_as_it_says(shell):
    found = steps()
    assert len(found) > 15
    for step in found:
        printed = shell(step.command)
        expected = "\n".join(step.expected)
        assert is_as(printed, step.expected), f"$ {step.command}\n{printed}\nexpected:\n{expected}"
