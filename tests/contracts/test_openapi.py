"""What the document promises, the running server keeps: asked by schemathesis, as three people."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.db import connections
from psycopg import sql

from tests.serving import serving

pytestmark = pytest.mark.e2e
HERE = Path(__file__).parent
PASSWORD = "correct horse battery"
DATABASE = f"midst_contract_{os.getpid()}"
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_headers_conformance", "response_schema_conformance", "negative_data_rejection",
    "unsupported_method", "allow_header_conformance", "use_after_free",
)  # fmt: skip
# Who shows what: staff may do everything, so its requests get furthest; what others are refused is
# the same for any input, and told by each operation's first examples.
RUNS = {
    "nobody": "examples",
    "user": "coverage,stateful",
    "staff": "examples,fuzzing",
}
EXAMPLES = 4


@pytest.fixture(scope="module")
def environment():
    """A database of its own, made by the migrations as on every install."""
    told = connections["default"].settings_dict
    admin = {
        "host": told["HOST"], "port": told["PORT"], "user": told["USER"],
        "password": told["PASSWORD"], "dbname": "postgres",
    }  # fmt: skip
    name = sql.Identifier(DATABASE)
    with psycopg.connect(**admin, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
    url = os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{DATABASE}"
    yield {
        **os.environ,
        "DATABASE_URL": url,
        "CACHE_PREFIX": DATABASE,
        "DJANGO_SETTINGS_MODULE": "midst.settings.test",
        # They would hide what lies behind them.
        "RATE_LIMIT_USER": "1000000",
    }
    with psycopg.connect(**admin, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.fixture(scope="module")
def server(environment, tmp_path_factory):
    """gunicorn, as it is run; yields its address. It must not have logged one traceback."""
    manage(environment, "migrate", "--verbosity=0")
    manage(environment, "seed", "--profiles=50")
    manage(environment, "create_account", "user", typed=PASSWORD)
    manage(environment, "create_account", "staff", "--staff", typed=PASSWORD)
    log = tmp_path_factory.mktemp("contract") / "gunicorn.log"
    with serving(environment, log) as url:
        yield url
    assert "Traceback" not in log.read_text()


def manage(environment, *arguments, typed=""):
    subprocess.run(
        [sys.executable, "manage.py", *arguments],
        env=environment, cwd=settings.BASE_DIR, input=f"{typed}\n", text=True, check=True,
    )  # fmt: skip


def post(url, body, token=None):
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def token_of(server, who):
    credentials = {"username": who, "password": PASSWORD}
    return post(f"{server}/api/v1/auth/token", credentials)["access"]


def a_profile_to_work_on(server, token):
    profile = {"slug": "mine", "display_name": "Mine", "visibility": "public"}
    try:
        post(f"{server}/api/v1/profiles", profile, token)
    except urllib.error.HTTPError as error:  # it is there from a test before
        error.close()


@pytest.mark.parametrize("who", RUNS)
def test_the_running_server_keeps_what_its_document_promises(server, who, tmp_path):
    a_profile_to_work_on(server, token_of(server, "user"))
    credentials = []
    if who != "nobody":
        credentials = [f"--header=Authorization: Bearer {token_of(server, who)}"]
    done = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            f"--config-file={HERE / 'schemathesis.toml'}",
            "run", f"{server}/api/v1/openapi.json",
            f"--checks={','.join(CHECKS)}",
            f"--phases={RUNS[who]}",
            f"--max-examples={EXAMPLES}", "--workers=2", "--seed=7", "--continue-on-failure",
            *credentials,
        ],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-20_000:]
