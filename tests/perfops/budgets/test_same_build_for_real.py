"""manage.py aa_test over real servers and databases: stored, shown, and used by the gate."""

import os

import pytest
from django.core.management import call_command
from django.db import connection
from django.urls import reverse

from perfops.budgets.against import same_build
from perfops.load import validity
from perfops.models.noise import AATest
from perfops.statistics.gate import MIN_PAIRS
from tests.perfops.budgets import tiny_project

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), pytest.mark.slow]
# Of a request of a few milliseconds many times its own time: no noise hides it.
SLOWDOWN_MS = 25


def test_the_same_build_is_not_failed_the_slowed_one_is_and_both_are_kept(
    tmp_path, monkeypatch, settings, capsys, admin_client
):
    # Whether the machine is busy is not what this is about.
    tiny_project.make(tmp_path, settings, MIN_ACHIEVED=0.0, MAX_GENERATOR_CPU=100.0)
    monkeypatch.setattr(validity, "_MOST_LAG_MS", 1e9)
    monkeypatch.setattr(same_build, "_WARM_UP_S", 0.5)
    monkeypatch.chdir(tmp_path)
    call_command(
        "aa_test", "--seconds", "1", "--rate", "20", "--pairs", str(MIN_PAIRS), "--slowdown-ms",
        str(SLOWDOWN_MS),
    )  # fmt: skip
    said = capsys.readouterr()
    found = AATest.objects.get()
    assert (found.pairs, found.slowdown_ms) == (MIN_PAIRS, SLOWDOWN_MS), said.err
    # All six of one kind below all of the other: one toss of the coins in 64, however they vary.
    same, slowed = found.false_alarms, found.misses
    assert (same["verdicts"], slowed["verdicts"]) == (100, 100)
    assert same["count"] <= 20
    assert slowed["count"] == 0, found.noise
    assert found.slowed_by > 2
    assert "CPU of all routes" in found.noise
    sentence = same_build.sentence(found)
    assert sentence in said.out
    assert same_build.of_host() == [sentence]
    assert same_build.pairs_for_host(MIN_PAIRS) == max(MIN_PAIRS, min(24, found.needed or 0))
    page = admin_client.get(reverse("admin:perfops_budget_changelist")).content.decode()
    assert f"false alarms {same['count']} of 100" in page
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_database WHERE datname LIKE %s",
            [f"perfops_against_{os.getpid()}_%"],
        )
        assert cursor.fetchone() == (0,)
