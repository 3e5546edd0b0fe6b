"""Budgets as a person sees them: history, waiver and schedules."""

import os
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from perfops.models import Budget, BudgetChange, ScheduleOutcome, Waiver
from tests.browser.test_perfops_pages import CONTRAST
from tests.perfops.analysis.test_capacity import keep_half_a_year
from tests.perfops.budgets.test_history import fill

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]


# By how many pixels the cells stand beyond their list, which scrolls.
BEYOND = """() => {
    const right = document.querySelector("#result_list").closest(".results")
        .getBoundingClientRect().right;
    const cells = document.querySelectorAll("#result_list :is(.field-next, .field-outcome)");
    return Math.max(...[...cells].map((cell) => cell.getBoundingClientRect().right - right)); }"""


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_history_waiver_and_schedules_can_be_read(open_admin, live_server, scheme, width):
    budget = Budget.objects.get(metric="latency_p95")
    fill(budget, 100, 130, 100, runs=20)
    BudgetChange.objects.create(budget=budget, name=str(budget), what="target: < 300 ms", why="x")
    waiver = Waiver.objects.create(
        budget="p95 latency", reason="known", ends_at=timezone.now() + timedelta(days=1)
    )
    keep_half_a_year()
    task = PeriodicTask.objects.filter(task="perfops.analyse_database").earliest("pk")
    now = timezone.now()
    PeriodicTask.objects.filter(pk=task.pk).update(last_run_at=now)
    ScheduleOutcome.objects.create(name=task.name, ended_at=now, error="OSError: " + "long " * 40)
    page = open_admin(scheme, width)
    for name, pk in (
        ("perfops_budget_changelist", None),
        ("perfops_budget_runs", budget.pk),
        ("perfops_waiver_changelist", None),
        ("perfops_waiver_change", waiver.pk),
        ("perfops_analysis_capacity", None),
        ("django_celery_beat_periodictask_changelist", None),
    ):
        page.goto(live_server.url + reverse(f"admin:{name}", args=[pk] if pk else []))
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=f"{folder}/{name}-{scheme}-{width}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    # The last of them: each schedule in words, not as five fields, and nothing has to be scrolled.
    assert page.locator("#result_list .field-next").first.is_visible()
    assert page.evaluate(BEYOND) <= 0
    assert "At 03:00" in page.inner_text("#result_list")
    assert "(m/h/dM/MY/d)" not in page.inner_text("#result_list")
    page.set_viewport_size({"width": 768, "height": 900})
    page.goto(live_server.url + reverse("admin:perfops_budget_change", args=[budget.pk]))
    assert page.evaluate("document.documentElement.scrollWidth") <= 768
    page.goto(live_server.url + reverse("admin:perfops_budget_runs", args=[budget.pk]))
    assert page.locator(".po-event.po-line-bad").count() == 2
    for selector in (".po-badge", ".po-note", ".po-key", ".po-table td"):
        assert page.evaluate(CONTRAST, selector) >= 4.5, selector
    with page.expect_download() as download:
        page.click("text=Download as CSV")
    assert download.value.suggested_filename == f"budget-{budget.pk}.csv"


def test_the_form_of_a_schedule_says_in_words_when_it_runs(open_admin, live_server):
    """No script of the page itself: the content security policy refuses it, and the test too."""
    task = PeriodicTask.objects.filter(crontab__isnull=False).earliest("pk")
    other = CrontabSchedule.objects.create(minute="17", hour="4")
    page = open_admin("dark", 390)
    address = reverse("admin:django_celery_beat_periodictask_change", args=[task.pk])
    page.goto(live_server.url + address)
    said = page.locator(".field-crontab .help[aria-live]")
    assert said.inner_text() == task.crontab.human_readable
    page.select_option("#id_crontab", str(other.pk))
    assert said.inner_text() == other.human_readable
    assert "04:17" in said.inner_text()
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/schedule-form-dark-390.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
