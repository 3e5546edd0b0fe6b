"""A table that somebody holds, as a migration does, costs what needs it, and not the rest."""

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


def test_who_needs_a_locked_table_is_asked_to_come_again_and_all_else_is_answered(server):
    database = urlsplit(os.environ["DATABASE_URL"])._replace(
        path=f"/{connection.settings_dict['NAME']}"
    )
    # As infra/postgres/roles.sql has it, but shorter.
    limited = {"DATABASE_URL": database.geturl(), "PGOPTIONS": "-c lock_timeout=500ms"}
    with server(**limited, CACHE_PREFIX="locked") as address, ThreadPoolExecutor(24) as clients:
        with psycopg.connect(database._replace(scheme="postgresql").geturl()) as holder:
            holder.execute("LOCK TABLE profiles_profile IN ACCESS EXCLUSIVE MODE")
            waiting = [
                clients.submit(ask, address, f"/api/v1/profiles?limit={n}") for n in range(1, 25)
            ]
            # They are answered although more wait for the table than the server has threads.
            others = [ask(address, path)[0] for path in ("/health", "/api/v1/taxonomy/masks")]
            refused = [each.result() for each in waiting]
        assert others == [200, 200]
        for status, headers, body in refused:
            assert (status, bool(headers["Retry-After"])) == (503, True), body
            assert json.loads(body)["type"]
        assert ask(address, "/api/v1/profiles?limit=1")[0] == 200
