"""What can not be found out about a run is unknown, and no reason to have none."""

import shutil

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


def test_a_search_path_in_mixed_case_as_an_option_of_the_connection_breaks_no_fingerprint(
    scenario, monkeypatch
):
    other = connection.copy()
    other.settings_dict["OPTIONS"] = {
        **other.settings_dict["OPTIONS"], "options": '-c search_path="Mixed",public',
    }  # fmt: skip
    monkeypatch.setattr(fingerprint, "connection", other)
    planned = plan.load(conf().SCENARIO_DIR, scenario())
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute('CREATE SCHEMA "Mixed"')
            cursor.execute('CREATE TABLE "Mixed".many AS SELECT n FROM generate_series(1, 2000) n')
            cursor.execute('ANALYZE "Mixed".many')
        taken = fingerprint.take(planned, shutil.which("true"))
    finally:
        other.rollback()
        other.close()
    assert taken["rows"] == {"many": 2000}
    assert "search_path" not in taken["postgres_settings"]
