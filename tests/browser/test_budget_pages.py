"""Budgets as a person sees them: history, waiver and schedules."""

import os
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from perfops.models import Budget, BudgetChange, Waiver
from tests.browser.test_perfops_pages import CONTRAST
from tests.perfops.budgets.test_history import fill

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_history_waiver_and_schedules_can_be_read(open_admin, live_server, scheme, width):
    budget = Budget.objects.get(metric="latency_p95")
    fill(budget, 100, 130, 100, runs=20)
    BudgetChange.objects.create(budget=budget, name=str(budget), what="target: < 300 ms", why="x")
    waiver = Waiver.objects.create(
        budget="p95 latency", reason="known", ends_at=timezone.now() + timedelta(days=1)
    )
    page = open_admin(scheme, width)
    for name, pk in (
        ("perfops_budget_runs", budget.pk),
        ("perfops_waiver_change", waiver.pk),
        ("django_celery_beat_periodictask_changelist", None),
    ):
        page.goto(live_server.url + reverse(f"admin:{name}", args=[pk] if pk else []))
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=f"{folder}/{name}-{scheme}-{width}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    page.goto(live_server.url + reverse("admin:perfops_budget_runs", args=[budget.pk]))
    assert page.locator(".po-event.po-line-bad").count() == 2
    for selector in (".po-badge", ".po-note", ".po-key", ".po-table td"):
        assert page.evaluate(CONTRAST, selector) >= 4.5, selector
    with page.expect_download() as download:
        page.click("text=Download as CSV")
    assert download.value.suggested_filename == f"budget-{budget.pk}.csv"
