"""No form that an administrator of perfops gets answers random input by a server error."""

import logging
import re

import pytest
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perfops.models import Budget, Finding, LoadRun
from perfops.models.decisions import Waiver

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
# What forms stumble over, and any text.
ODD = [
    "", "0", "-1", "85", "1e400", "nan", "9" * 30, "\0", "\ud7ff", "on", "[", "{}", "2026-02-30",
    "23:61", "http://[", "x" * 2000, "p95 latency", "smoke", "latency_p95",
]  # fmt: skip
VALUES = st.sampled_from(ODD) | st.text(max_size=20)


@pytest.fixture
def administrator(client):
    user = User.objects.create_user("ada", password="x", is_staff=True)
    user.groups.add(Group.objects.get(name="performance administrator"))
    client.force_login(user)
    client.raise_request_exception = False
    logging.disable(logging.CRITICAL)
    yield client
    logging.disable(logging.NOTSET)


def pages():
    """Yield the addresses of the forms of perfops: to add, to change, to delete, to start."""
    run = LoadRun.objects.create(scenario="smoke", target="http://127.0.0.1:1", state="finished")
    waiver = Waiver.objects.create(budget="p95 latency", reason="x", ends_at=run.created_at)
    finding = Finding.objects.create(
        database="default", fingerprint="f", title="t", first_seen_at=run.created_at,
        last_seen_at=run.created_at, severity="warning",
    )  # fmt: skip
    for name, *arguments in (
        ("budget_add",), ("budget_change", Budget.objects.earliest("pk").pk),
        ("budget_changelist",), ("waiver_add",), ("waiver_change", waiver.pk),
        ("loadrun_start",), ("loadrun_changelist",),
        ("finding_changelist",), ("finding_change", finding.pk),
    ):  # fmt: skip
        yield reverse(f"admin:perfops_{name}", args=arguments)


def test_random_input_is_never_a_server_error(administrator):
    tried = 0
    for url in pages():
        page = administrator.get(url)
        assert page.status_code == 200, url
        names = set(re.findall(r'<(?:input|select|textarea|button)[^>]* name="([^"]+)"', page.text))
        names = sorted(names - {"csrfmiddlewaretoken", "q", "next"})
        tried += bool(names)

        @settings(
            max_examples=10, deadline=None, database=None, derandomize=True,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(st.just(url), st.fixed_dictionaries({}, optional=dict.fromkeys(names, VALUES)))
        def post(url, form):
            before = transaction.savepoint()
            answer = administrator.post(url, form)
            transaction.savepoint_rollback(before)
            assert answer.status_code < 500, (url, form, answer.text[:200])

        post()
    assert tried >= 6
