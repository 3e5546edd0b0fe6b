"""A team adopts perfops: a project of its own, installed with what perfops asks for and no more."""

import ast
import json
import os
import re
import secrets
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import fields
from http.cookiejar import CookieJar
from importlib.metadata import packages_distributions
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import psycopg
import pytest
from packaging.requirements import Requirement
from psycopg import sql

import perfops
from midst.stack import ports
from perfops.conf import Conf
from tests.perfops.adoption import requirements, settings_table
from tests.perfops.adoption.project import Project
from tests.perfops.clusters import until

PAGES = (
    "",
    "perfops/",
    "perfops/finding/",
    "perfops/finding/1/change/",
    "perfops/analysis/",
    "perfops/analysis/1/change/",
    "perfops/analysis/now/",
    "perfops/loadrun/",
    "perfops/loadrun/pipeline/",
    "perfops/budget/",
    "perfops/querytemplate/",
)


@pytest.fixture(scope="session")
def distribution(tmp_path_factory):
    """The sdist and the wheel of perfops, built as for a package index."""
    return requirements.build(tmp_path_factory.mktemp("dist"))


@pytest.fixture
def project(tmp_path, distribution):
    url, mark = os.environ["DATABASE_URL"], secrets.token_hex(4)
    names = [f"adopt_{mark}", f"adopt_{mark}_second"]
    with psycopg.connect(url, autocommit=True) as server:
        for name in names:
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield Project(
                tmp_path,
                distribution[-1],
                {"SERVER_URL": url, "FIRST": names[0], "SECOND": names[1]},
            )
        finally:
            for name in names:
                drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
                server.execute(drop)


@pytest.mark.slow
def test_a_plain_project_adopts_perfops(project):
    there = {path.name for path in project.packages.iterdir()}
    assert not there & {"celery", "django_celery_beat", "redis", "sentry_sdk"}
    # Before its tables are there, a command can't tell, and says what to do.
    assert "manage.py migrate" in project.manage("check_budget", codes=(2,)).stderr
    assert "manage.py migrate" in project.manage("perfops_start", codes=(2,)).stdout
    project.manage("makemigrations", "shop")
    project.manage("migrate")
    assert "no issues" in project.manage("check").stdout
    project.manage("makemigrations", "--check")
    for alias in ("default", "second"):
        told = project.manage("analyze_db", "--database", alias, "--format=json", codes=(0, 1))
        found = json.loads(told.stdout)
        assert found["database"] == alias
        assert told.returncode == (1 if found["counts"]["error"] else 0)
        # Django's joins have needless indexes, those of its own user model too: not ours to mend.
        advisors = {each["advisor"] for each in found["findings"]}
        assert "duplicate_indexes" not in advisors
    project.manage("perfops_task", "take_snapshot")
    project.manage("createsuperuser", "--noinput", "--username=chief", "--email=c@example.com")
    port = ports.choose(None)
    with project.serving(port) as server:
        client = build_opener(HTTPCookieProcessor(CookieJar()))
        admin = f"http://127.0.0.1:{port}/admin/"
        until(lambda: server.poll() is not None or _answers(client, admin), "it does not serve")
        _sign_in(client, admin)
        for page in PAGES:
            assert _status(client, admin + page) == 200, f"{page}: {project.log()}"
        asked = _load(project, port)
        _write_and_remove(project, port)
        # Without Celery the page says how to do it by hand.
        page = _post(client, f"{admin}perfops/analysis/", "start/")
        assert "Celery is not installed" in page
        assert "manage.py analyze_db" in page
    # Each of its processes has told what it sent, and nothing is lost or told twice.
    assert _sent(project, "GET /orders/{pk}/") == asked


def _load(project, port):
    """Its own views are loaded and held against budgets of its own, one that holds and one not.

    Returns how many orders were asked for.
    """
    with _database(project) as database:
        database.execute(
            "INSERT INTO shop_order (buyer_id, state, placed)"
            " SELECT id, 'open', now() FROM shop_person, generate_series(1, 9)"
        )
    route = "/orders/{pk}/"
    project.set_budgets(
        {"metric": "latency_p95", "route": route, "target": 5000, "threshold": 9000},
        {"metric": "error_rate", "target": 0.001, "threshold": 0.002},
    )
    target = f"http://127.0.0.1:{port}"
    asked = 0
    # A generator that shares a busy machine may fall behind its plan: then again.
    for _ in range(6):
        command = ("run_load_test", "smoke", "--here", "--format=json", "--target", target)
        told = project.manage(*command, codes=(0, 2))
        run = json.loads(told.stdout)
        asked += next(each["requests"] for each in run["routes"] if each["route"] == route)
        if told.returncode == 0:
            break
    assert told.returncode == 0, run["reasons"]
    assert {each["name"]: each["outcome"] for each in run["budgets"]} == {
        "p95 latency of /orders/{pk}/": "met", "error rate": "met",
    }  # fmt: skip
    with _database(project) as database:
        database.execute("UPDATE perfops_budget SET threshold = 0.002 WHERE route <> ''")
    assert "it must be < 0.002 ms" in project.manage("check_budget", codes=(1,)).stdout
    return asked


def _sent(project, name):
    with _database(project) as database:
        rows = "SELECT sum(calls) FROM perfops_queryorigin WHERE kind = 'request' AND name = %s"
        return database.execute(rows, [name]).fetchone()[0]


def _write_and_remove(project, port):
    """Users sign in by its form and write; nothing of it is left."""
    made = ("k6_scenario", "notes", "--writes", "--rate=20", "--seconds=2", "--format=json")
    written = json.loads(project.manage(*made).stdout)
    assert written["sign_in"] == "/login/"
    assert "POST /notes/new/" in written["routes"]
    target = f"http://127.0.0.1:{port}"
    project.environment["OWN_TARGETS"] = target
    # So few requests, drawn at random by shares of what was counted, might be reads alone.
    only = ("--mix", "POST /notes/new/ 1")
    command = ("run_load_test", "notes", "--here", "--format=json", "--target", target, *only)
    # So few requests are no verdict.
    run = json.loads(project.manage(*command, codes=(2,)).stdout)
    found = {each["route"]: each for each in run["routes"]}
    assert "POST /notes/new/" in found, run
    assert found["POST /notes/new/"]["requests"] > 0, run
    assert found["POST /notes/new/"]["errors"] == 0, run
    with _database(project) as database:
        (left,) = database.execute("SELECT count(*) FROM shop_note").fetchone()
        assert left == 0
        # Rows were there: their ids are used up.
        (used,) = database.execute("SELECT last_value FROM shop_note_id_seq").fetchone()
        assert used >= found["POST /notes/new/"]["requests"]
        (users,) = database.execute("SELECT count(*) FROM shop_person").fetchone()
        assert users == 1


def _database(project):
    return psycopg.connect(
        project.environment["SERVER_URL"], dbname=project.environment["FIRST"], autocommit=True
    )


def _answers(client, url):
    try:
        client.open(url, timeout=30).close()
    except OSError:
        return False
    return True


def _status(client, url):
    try:
        with client.open(url, timeout=30) as answer:
            return answer.status
    except HTTPError as error:
        error.close()
        return error.code


def _sign_in(client, admin):
    page = _post(
        client, f"{admin}login/", "?next=/admin/", username="chief", password="of-the-chief"
    )
    assert "Log out" in page


def _post(client, page, action, **fields):
    """Send a form of ``page`` to ``action``, with the page's token; return the answer."""
    with client.open(page, timeout=30) as answer:
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', answer.read().decode())[1]
    data = urlencode({"csrfmiddlewaretoken": token, **fields}).encode()
    with client.open(page + action, data, timeout=30) as answer:
        return answer.read().decode()


def test_the_wheel_has_all_files_and_passes_the_check_of_the_index(distribution):
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *distribution], check=True)
    with zipfile.ZipFile(distribution[-1]) as wheel:
        packed = {name for name in wheel.namelist() if name.startswith("perfops/")}
    source = Path(perfops.__file__).parent
    meta = {"pyproject.toml", "README.md", "LICENSE"}
    files = {
        f"perfops/{file.relative_to(source)}"
        for file in source.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and file.name not in meta
    }
    assert packed == files
    assert "perfops/py.typed" in packed


def test_requirements_name_what_is_imported():
    top = {
        name.partition(".")[0]
        for file in Path(perfops.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        for name in _imported(node)
    }
    known = packages_distributions()
    foreign = {known[name][0].lower() for name in top if name in known}
    listed = {each.name.lower() for each in requirements.listed("api")}
    optional = {each.name.lower() for each in requirements.listed("celery")} - listed
    assert foreign - optional == listed
    # Who does not want the API needs nothing of it.
    of_the_api = {"django-ninja", "pydantic"}
    assert listed - {each.name.lower() for each in requirements.listed()} == of_the_api


def _imported(node):
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def test_requirements_are_midsts_own():
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]["dependencies"]
    midst = {each.name: each for each in map(Requirement, project)}
    # Midst may be stricter: it has upper bounds of its own.
    for each in requirements.listed():
        assert set(map(str, each.specifier)) <= set(map(str, midst[each.name].specifier)), each


def test_the_document_has_every_setting():
    """Once it fails: ``python tests/perfops/adoption/settings_table.py``."""
    assert len(settings_table.rows()) == len(fields(Conf))
    assert settings_table.written() == settings_table.table()
