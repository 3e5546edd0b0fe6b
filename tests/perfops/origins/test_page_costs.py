"""Each page of perfops says below it what it took to make."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from perfops.models import Budget

PAGES = [
    ("index",), ("app_list", "perfops"), ("perfops_loadrun_changelist",),
    ("perfops_querytemplate_changelist",),
    ("perfops_budget_changelist",), ("perfops_budget_change", "budget"),
    ("perfops_budget_history", "budget"), ("perfops_budget_delete", "budget"),
    ("perfops_analysis_now",), ("perfops_pipeline",), ("perfops_analysis_capacity",),
]  # fmt: skip


@pytest.fixture
def counts(counting, settings):
    settings.PERFOPS = {**settings.PERFOPS, "ORIGINS": True}


@pytest.mark.usefixtures("counts")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page[0])
def test_it_is_what_was_sent_and_took(admin_client, page):
    name, *arguments = page
    key = str(Budget.objects.earliest("pk").pk)
    address = reverse(
        f"admin:{name}", args=[key if each == "budget" else each for each in arguments]
    )
    with CaptureQueriesContext(connection) as sent:
        answer = admin_client.get(address).content.decode()
    told = re.findall(r"took (\d+) ms to make; (\d+) ms of it for (\d+) statements? on", answer)
    ((took_ms, database_ms, statements),) = told
    assert int(statements) == len(sent) > 0
    assert int(took_ms) >= int(database_ms)


def test_it_is_not_said_where_nothing_is_counted(admin_client):
    assert "ms to make" not in admin_client.get(reverse("admin:perfops_pipeline")).content.decode()
