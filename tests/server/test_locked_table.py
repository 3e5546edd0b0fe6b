"""What web makes of a table that somebody holds, and of connections that PostgreSQL closed."""

import json
import os
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connection

pytestmark = [
    pytest.mark.slow, pytest.mark.django_db(transaction=True, serialized_rollback=True),
]  # fmt: skip


def ask(address, path):
    """Return status, headers and body; no answer at all is an error."""
    try:
        answer = urllib.request.urlopen(f"http://{address[0]}:{address[1]}{path}", timeout=60)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.headers, answer.read()


@pytest.fixture(scope="module")
def database(django_db_setup):
    return urlsplit(os.environ["DATABASE_URL"])._replace(
        path=f"/{connection.settings_dict['NAME']}"
    )


@pytest.fixture(scope="module")
def web(server, database):
    # As infra/postgres/roles.sql has it, but shorter.
    limited = {"DATABASE_URL": database.geturl(), "PGOPTIONS": "-c lock_timeout=500ms"}
    pooled = {"DATABASE_POOL_SIZE": "4", "MIDST_SERVICE": "midst-pooled"}
    with server(**limited, **pooled, CACHE_PREFIX="locked") as address:
        yield address


@pytest.fixture
def other(database):
    """A connection of somebody else."""
    with psycopg.connect(database._replace(scheme="postgresql").geturl()) as other:
        yield other


def test_who_needs_a_locked_table_is_asked_to_come_again_and_all_else_is_answered(web, other):
    with ThreadPoolExecutor(24) as clients:
        other.execute("LOCK TABLE profiles_profile IN ACCESS EXCLUSIVE MODE")
        waiting = [clients.submit(ask, web, f"/api/v1/profiles?limit={n}") for n in range(1, 25)]
        # They are answered although more wait for the table than the server has threads.
        others = [ask(web, path)[0] for path in ("/health", "/api/v1/taxonomy/masks")]
        refused = [each.result() for each in waiting]
        other.rollback()
    assert others == [200, 200]
    for status, headers, body in refused:
        assert (status, bool(headers["Retry-After"])) == (503, True), body
        assert json.loads(body)["type"]
    assert ask(web, "/api/v1/profiles?limit=1")[0] == 200


def test_pooled_connections_that_postgresql_closed_fail_no_request(web, other):
    def statuses(limits):
        with ThreadPoolExecutor(4) as clients:
            asked = clients.map(lambda n: ask(web, f"/api/v1/profiles?limit={n}")[0], limits)
            return set(asked)

    assert statuses(range(30, 42)) == {200}
    ended = other.execute(
        "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE application_name = 'midst-pooled'"
    ).fetchone()
    assert ended > (0,)
    assert statuses(range(50, 62)) == {200}
