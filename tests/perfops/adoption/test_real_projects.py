"""perfops' wheel in public projects, from the package index: what they had stays as it was."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.perfops.adoption import requirements
from tests.perfops.adoption.settings_table import ROOT

PROGRAM = Path(__file__).with_name("real_project.py")
PROJECTS = ("django-oscar", "wagtail", "djangorestframework")
# Of an execution's calls so many make an N+1 (``N_PLUS_ONE_CALLS``).
REPEATS = 5
# Versions of Django, and what is tried on each: one environment for all.
TRIED = [
    pytest.param(version, kind, id=f"{kind}-{version}")
    for version, kinds in {
        "5.2": ("oscar", "wagtail", "drf"), "6.0": ("oscar", "wagtail", "drf"), "6.1": ("drf",),
    }.items()
    for kind in kinds
]  # fmt: skip


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    return requirements.build(tmp_path_factory.mktemp("dist"))[-1]


@pytest.fixture(scope="session")
def python(tmp_path_factory, wheel):
    """Return the Python of an environment with the three projects and one version of Django."""
    made: dict[str, Path] = {}
    uv = ROOT / ".midst" / "uv" / "bin" / "uv"
    program = str(uv) if uv.exists() else "uv"

    def of(version: str) -> Path:
        if version not in made:
            folder = tmp_path_factory.mktemp("django") / version
            found = folder / "bin" / "python"
            subprocess.run([program, "venv", "-q", "--python", sys.executable, folder], check=True)
            install = [program, "pip", "install", "-q", "--no-config", "--compile-bytecode"]
            wanted = [f"django~={version}.0", *PROJECTS, f"{wheel}[psycopg]"]
            subprocess.run([*install, "--python", found, *wanted], check=True)
            made[version] = found
        return made[version]

    return of


@pytest.fixture
def database(request):
    """The URL of an empty database."""
    url = os.environ["DATABASE_URL"]
    name = f"real_{os.getpid()}"
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(drop)
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield f"{url.rpartition('/')[0]}/{name}"
        server.execute(drop)


@pytest.mark.e2e
@pytest.mark.parametrize(("version", "kind"), TRIED)
def test_a_public_project_keeps_what_it_had_and_its_problems_are_found(
    python, database, version, kind
):
    def run(stage: str) -> dict:
        done = subprocess.run(
            [python(version), PROGRAM, kind, stage],
            env={"PATH": os.environ["PATH"], "DATABASE_URL": database},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-4000:]
        assert "Traceback" not in done.stderr
        # Django's runner of tests has written before it.
        return json.loads(done.stdout.splitlines()[-1])

    before, after = run("before"), run("after")
    assert before["django"].startswith(version)
    # Its checks, its migrations, its pages with their statements, and its tests.
    for same in ("check", "migrations missing", "pages", "test failures"):
        assert after[same] == before[same], same
    assert before["test failures"] == 0
    assert {status for status, *_ in before["pages"].values()} == {200}
    assert after["rows after flush"] == 0
    # Those N+1 that were counted beside perfops, planted and natural, and no others.
    is_ill = {page: most >= REPEATS for page, (_, most, *_) in before["pages"].items()}
    titles = [each["title"] for each in after["found"].get("n_plus_one", ())]
    found = {page: any(f"GET {page} " in each for each in titles) for page in is_ill}
    assert found == is_ill
    assert is_ill["/list/"]
    assert all(any(f"GET {page} " in each for page in is_ill) for each in titles), titles
    # The look-up that wants an index gets it, and nothing else does.
    assert len(after["found"]["missing_index"]) == 1
    assert after["plan after"]["blocks"] < after["plan before"]["blocks"] / 10
