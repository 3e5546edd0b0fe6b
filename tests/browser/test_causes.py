"""A system broken in eight ways by ``examples/break_system.py``: from the overview each cause is
found in three clicks at most.

``CAUSES=docs/images/causes`` in the environment makes the pictures of ``docs/finding-causes.md``.
"""

import os
import re
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from django.urls import reverse

from examples import break_system
from perfops.analysis.services import analyse
from tests.browser.axe import Eyes
from tests.browser.test_walk import looked_at, looks_of
from tests.perfops.origins.conftest import counting

__all__ = ["counting"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]
MOST_CLICKS = 3
# The links that lead to it, by their words, and what names the cause at their end.
WAYS = {
    "dropped_index": ([r"\d+ warnings? (is|are) open", break_system.INDEX], "CREATE INDEX"),
    "n_plus_one": ([r"\d+ errors? (is|are) open", break_system.PATH], "examples/break_system.py:"),
    "cold_cache": (["Cache: cold"], "deploy-script cleared"),
    "full_pool": (["connections of default are taken"], break_system.APPLICATION),
    "blocked_sessions": (["for a lock"], break_system.HOLDER),
    "expired_waiver": (["Its waiver ended on"], "has ended"),
    "dead_worker": (["Tasks: no worker"], "celery -A midst.celery worker"),
    "stale_beat": (["Is Celery beat running"], "late"),
}


@pytest.fixture
def broken(transactional_db, settings, empty_cache, counting):
    """All eight at once; the limits are such that the machine of the tests reaches them."""
    settings.PERFOPS = {
        **settings.PERFOPS, "BLOCKED_S": 0.05, "CONNECTIONS_WARNING": 0.001,
        "CONNECTIONS_ERROR": 0.01, "ORIGINS": True,
    }  # fmt: skip
    assert set(WAYS) == set(break_system.CAUSES)
    causes = {**break_system.CAUSES, "full_pool": partial(break_system.full_pool, most=8)}
    with ExitStack() as undone:
        for cause in causes.values():
            undone.enter_context(cause())
        analyse()
        yield


def test_each_cause_is_found_in_three_clicks(open_admin, live_server, broken):
    page = open_admin(width=1000)
    content = page.locator("#content")
    for cause, (links, words) in WAYS.items():
        page.goto(live_server.url + reverse("admin:index"))
        assert len(links) <= MOST_CLICKS, cause
        for link in links:
            content.get_by_role("link", name=re.compile(link)).first.click()
            page.wait_for_load_state()
        # What leads there has such words itself.
        there = (
            content.get_by_role("region", name="Schedules") if cause == "stale_beat" else content
        )
        found = there.get_by_text(words).first
        found.scroll_into_view_if_needed()
        assert found.is_visible(), cause
        keep(page, cause)
    page.goto(live_server.url + reverse("admin:index"))
    keep(page, "overview")
    # All that is wrong at once has long words; below it is what the page took.
    assert page.locator(".po-cost").is_visible()
    assert looked_at(page, Eyes(), "/broken/", looks_of(0)) == []


def keep(page, name):
    folder = os.environ.get("CAUSES")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png")
