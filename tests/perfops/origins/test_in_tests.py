"""perfops under a host's test runner: no session and no row beside the tests' own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from perfops.models import QueryTemplate

PROGRAM = Path(__file__).with_name("hosted_tests.py")
BEFORE = "SELECT 1 AS before_the_tests"


def run(*words):
    url = os.environ["DATABASE_URL"].rpartition("/")[0]
    done = subprocess.run(
        [sys.executable, PROGRAM, *words],
        env={
            **os.environ, "PYTHONPATH": str(settings.BASE_DIR),
            "DATABASE_URL": f"{url}/{connection.settings_dict['NAME']}",
        },
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_project_whose_connection_is_counted_already_runs_its_tests_alone_in_their_database():
    assert run() == {"failures": 0, "sessions": 0, "rows": 0}
    assert set(QueryTemplate.objects.values_list("text", flat=True)) == {BEFORE}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_what_tests_sent_is_noted_in_their_database_alone_where_that_was_asked_for():
    found = run("noted")
    assert found["failures"] == 0
    assert found["rows"] > 0
    assert set(QueryTemplate.objects.values_list("text", flat=True)) <= {BEFORE}
