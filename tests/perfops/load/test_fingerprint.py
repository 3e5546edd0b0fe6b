"""What can not be found out about a run is unknown, and no reason to have none."""

import pytest
from django.db import connection

from perfops.conf import conf
from perfops.load import fingerprint, k6
from perfops.load import scenarios as plan

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("does", ["exec sleep 60", "exit 1"])
def test_a_program_that_does_not_answer_is_unknown(does, scenario, tmp_path, monkeypatch):
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("git", "k6"):
        (programs / name).write_text(f"#!/bin/sh\n{does}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.setattr(k6, "_ANSWER_S", 0.1)
    planned = plan.load(conf().SCENARIO_DIR, scenario())
    taken = fingerprint.take(planned, str(programs / "k6"))
    assert (taken["commit"], taken["dirty"], taken["k6"]) == (None, None, None)
    assert taken["postgres"]


def test_a_schema_in_mixed_case_is_counted_as_any_other():
    with connection.cursor() as cursor:
        cursor.execute('CREATE SCHEMA "Mixed"')
        cursor.execute('CREATE TABLE "Mixed".many AS SELECT n FROM generate_series(1, 2000) n')
        cursor.execute('ANALYZE "Mixed".many')
        cursor.execute('SET LOCAL search_path = "Mixed", public')
    assert fingerprint._row_estimates() == {"many": 2000}
