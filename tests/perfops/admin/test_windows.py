"""The window of an analysis is chosen on the pages as with --since."""

import pytest
from django.db import connection
from django.test import TestCase

from perfops import tasks
from perfops.analysis import services as analyses
from perfops.jobs import queue
from perfops.models import Analysis
from tests.perfops.admin.test_pages import url


@pytest.mark.django_db
def test_the_window_is_chosen_as_with_since(admin_client, monkeypatch):
    sent = []
    monkeypatch.setattr(queue, "enqueue", lambda job, task, **arguments: sent.append(arguments))
    listed = admin_client.get(url("analysis_changelist")).content.decode()
    assert '<option value="24h">the last 24 hours</option>' in listed
    with TestCase.captureOnCommitCallbacks(execute=True):
        admin_client.post(url("analysis_start"), {"since": "24h"})
        admin_client.post(url("analysis_start"), {"since": ""})
    asked, usual = Analysis.objects.order_by("pk")
    assert sent == [
        {"database": "default", "analysis_id": asked.pk, "since": "24h"},
        {"database": "default", "analysis_id": usual.pk},
    ]
    refused = admin_client.post(url("analysis_start"), {"since": "soon"}, follow=True)
    assert "neither an analysis nor a time" in refused.content.decode()
    assert Analysis.objects.count() == 2


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_reset_within_the_window_is_said_on_each_page_of_the_analysis(admin_client):
    earlier = analyses.analyse(only=["growth"]).analysis_id
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_reset()")
    row = Analysis.objects.create()
    tasks.analyse_database(analysis_id=row.pk, since=str(earlier))
    row.refresh_from_db()
    assert (row.state, row.baseline_id) == ("finished", earlier)
    for page in (url("analysis_change", row.pk), url("analysis_tables", row.pk)):
        shown = admin_client.get(page).content.decode()
        assert "pg_stat_database was reset within the window" in shown
