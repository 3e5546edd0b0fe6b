"""check_budget --bisect over real commits, worktrees and databases."""

import json
import os

import pytest
from django.core.management import call_command
from django.db import connection

from tests.perfops.budgets import tiny_project
from tests.perfops.repository import git

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), pytest.mark.slow]


def test_the_commit_its_statement_and_its_line_are_named_and_nothing_stays(
    tmp_path, monkeypatch, settings, capsys
):
    tiny_project.make(tmp_path, settings)
    tiny_project.commit(tmp_path, "Read me", readme="")
    tiny_project.commit(tmp_path, "Ask once more", shop=tiny_project.SLOW)
    tiny_project.commit(tmp_path, "Read me again", readme="# more")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        call_command(
            "check_budget", "--bisect", "HEAD~3", "HEAD", "--routes", "routes.json",
            "--format", "json",
        )  # fmt: skip
    report = json.loads(capsys.readouterr().out)
    assert ended.value.code == 1, report
    bad = git(tmp_path, "log", "-1", "--format=%h A: %s", "HEAD~1")
    assert report["reasons"] == [f"By counts of requests: {bad}"]
    cause = report["causes"][0]
    assert cause["what"].startswith("more calls: 0 to 1 a request")
    assert "auth_group" in cause["statement"]
    assert cause["site"].startswith("shop.py:7 groups")
    assert cause["files"] == ["shop.py"]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_database WHERE datname LIKE %s",
            [f"perfops_against_{os.getpid()}_%"],
        )
        assert cursor.fetchone() == (0,)
    assert "\n" not in git(tmp_path, "worktree", "list")
