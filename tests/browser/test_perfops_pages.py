"""The pages of perfops as a person sees them."""

import pytest
from django.urls import reverse
from django.utils import timezone

from perfops.collectors import snapshot
from perfops.models import Analysis, Budget, LoadRun, Sample
from perfops.services import budgets, findings, snapshots
from tests.perfops.admin.test_pages import ADVICE
from tests.perfops.test_judging import run_with

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]


def url(live_server, name, *arguments):
    return live_server.url + reverse(f"admin:perfops_{name}", args=arguments)


def sample(run, second):
    Sample.objects.create(
        run=run, second=second, requests=100, p50_ms=1, p95_ms=5, p99_ms=9, vus=second % 3
    )


@pytest.fixture
def everything(transactional_db, settings):
    settings.PERFOPS = {**settings.PERFOPS, "TRACES_URL": "http://localhost:16686/search?run={run}"}
    run = run_with()
    run.verdict, run.reasons, run.started_at = "pass", ["Every budget holds."], timezone.now()
    run.save()
    for second in range(30):
        sample(run, second)
    budgets.evaluate(run)
    analysis = Analysis.objects.create(state="finished", counts={"warning": 1})
    snapshots.keep(snapshot.take(light=True), database="default", texts=0, analysis=analysis)
    findings.record(analysis, [ADVICE])
    return run, analysis


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 380])
def test_every_page_fits_its_window(open_admin, live_server, everything, scheme, width):
    run, analysis = everything
    page = open_admin(scheme, width)
    for name, *arguments in (
        ("loadrun_changelist",), ("loadrun_change", run.pk), ("loadrun_start",),
        ("analysis_changelist",), ("analysis_change", analysis.pk),
        ("analysis_now",), ("analysis_tables", analysis.pk), ("analysis_indexes", analysis.pk),
        ("finding_changelist",), ("finding_change", analysis.sightings.get().finding_id),
        ("budget_changelist",), ("budget_change", Budget.objects.first().pk), ("pipeline",),
    ):  # fmt: skip
        page.goto(url(live_server, name, *arguments))
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_ground(open_admin, live_server, everything, scheme):
    """WCAG 2.1, 1.4.3: at least 4.5 to 1."""
    page = open_admin(scheme)
    page.goto(url(live_server, "loadrun_change", everything[0].pk))
    for selector in (".po-badge", ".po-note", ".po-figures dt", ".po-table th", ".po-legend"):
        assert page.evaluate(CONTRAST, selector) >= 4.5, selector


CONTRAST = """(selector) => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
  const element = document.querySelector(selector);
  let ground = element;
  while (ground && (parse(getComputedStyle(ground).backgroundColor)[3] ?? 1) === 0) {
    ground = ground.parentElement;
  }
  const a = light(parse(getComputedStyle(element).color));
  const b = light(parse(getComputedStyle(ground || document.body).backgroundColor));
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""


def test_a_run_is_seen_going_on_and_ending_without_a_reload(open_admin, live_server):
    run = LoadRun.objects.create(
        scenario="smoke", target="http://127.0.0.1:1", state="running",
        started_at=timezone.now(), heartbeat_at=timezone.now(),
        plan={"duration_s": 50.0, "requests": 5000, "peak_rate": 100, "max_vus": 10},
    )  # fmt: skip
    page = open_admin()
    page.goto(url(live_server, "loadrun_change", run.pk))
    assert page.locator(".po-badge").first.inner_text() == "● running"
    for second in range(10):
        sample(run, second)
    page.wait_for_selector("svg path.po-line", state="attached", timeout=10_000)
    assert "10 of 50 s" in page.inner_text(".po-banner")
    LoadRun.objects.filter(pk=run.pk).update(
        state="finished", verdict="pass", finished_at=timezone.now()
    )
    page.wait_for_selector(".po-banner.po-good", timeout=10_000)
    assert page.locator("progress").count() == 0


def test_a_run_is_started_and_canceled_by_hand(open_admin, live_server):
    page = open_admin()
    page.goto(url(live_server, "loadrun_changelist"))
    page.click("text=Start a run")
    page.fill("#id_target", "http://192.0.2.1")
    page.click("text=Start the run")
    assert "not on the list" in page.inner_text(".errorlist")
    page.fill("#id_target", "http://127.0.0.1:9")
    page.click("text=Start the run")
    page.click("text=Cancel")
    page.wait_for_selector(".po-banner.po-warning")
    assert LoadRun.objects.get().state == "canceled"


def test_the_keyboard_reaches_the_numbers_of_a_chart(open_admin, live_server, everything):
    page = open_admin()
    page.goto(url(live_server, "loadrun_change", everything[0].pk))
    page.locator(".po-chart summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator(".po-chart details[open] tbody tr").count() == 30


def test_the_api_documentation_works_under_the_security_policy(open_admin, live_server):
    page = open_admin()
    page.goto(f"{live_server.url}/api/v1/docs")
    page.wait_for_selector(".opblock", timeout=15_000)
