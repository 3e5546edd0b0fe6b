"""The pages of perfops as a person sees them."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from perfops.analysis import findings, snapshots
from perfops.analysis.collectors import snapshot
from perfops.budgets import services as budgets
from perfops.models import Analysis, LoadRun, QueryOrigin, QueryTemplate, Sample
from perfops.statistics.sketch import Sketch
from tests.perfops.admin.test_pages import ADVICE, asked
from tests.perfops.budgets.test_verdicts import run_with

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]


def url(live_server, name, *arguments):
    return live_server.url + reverse(f"admin:perfops_{name}", args=arguments)


def sample(run, second, route="", sketch=b""):
    Sample.objects.create(
        run=run, second=second, route=route, sketch=sketch, requests=100, p50_ms=1, p95_ms=5,
        p99_ms=9, vus=second % 3,
    )  # fmt: skip


def encoded(ms):
    sketch = Sketch()
    sketch.record(ms)
    return sketch.encode()


@pytest.fixture
def everything(transactional_db, settings):
    settings.PERFOPS = {**settings.PERFOPS, "TRACES_URL": "http://localhost:16686/search?run={run}"}
    run = run_with()
    run.verdict, run.reasons, run.started_at = "pass", ["Every budget holds."], timezone.now()
    run.save()
    for second in range(30):
        sample(run, second)
    asked(run)
    budgets.evaluate(run)
    analysis = Analysis.objects.create(state="finished", counts={"warning": 1})
    snapshots.keep(snapshot.take(light=True), database="default", texts=0, analysis=analysis)
    findings.record(analysis, [ADVICE])
    return run, analysis


@pytest.fixture
def query(transactional_db):
    """A statement with long names, sent by two lines, and a finding about it."""
    made = QueryTemplate.objects.create(
        id=1, database="default", queryids=["1"], first_seen_at=timezone.now(),
        text=f"SELECT {', '.join(f'column_number_{n}' for n in range(30))} FROM shelves",
    )  # fmt: skip
    for line in (7, 9):
        QueryOrigin.objects.create(
            template=made, site=f"shop/a_package/with_a_long_name/views.py:{line}", kind="request",
            function="ShelvesWithBooks.get_queryset", at=timezone.now(), calls=5, total_ms=10,
            name="GET /api/v1/shelves/<uuid:shelf>/books/<uuid:book>/loans/", rows=9, executions=2,
            max_calls_per_execution=4,
        )  # fmt: skip
    analysis = Analysis.objects.create(state="finished", counts={"warning": 1})
    findings.record(analysis, [replace(ADVICE, queryids=("1",))])
    return made


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_ground(open_admin, live_server, everything, scheme):
    """WCAG 2.1, 1.4.3: at least 4.5 to 1."""
    page = open_admin(scheme)
    page.goto(url(live_server, "loadrun_change", everything[0].pk))
    for selector in (".po-badge", ".po-note", ".po-figures dt", ".po-table th", ".po-legend"):
        assert page.evaluate(CONTRAST, selector) >= 4.5, selector
    kinds = ["good", "warning", "bad", "odd", "calm"]
    page.evaluate(BADGES, kinds)
    for kind in kinds:
        assert page.evaluate(CONTRAST, f"#{kind}") >= 4.5, kind


BADGES = """(kinds) => document.querySelector(".po-page").append(...kinds.map((kind) => {
  const badge = document.createElement("span");
  badge.className = `po-badge po-${kind}`;
  badge.id = kind;
  badge.innerText = kind;
  return badge;
}))"""
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_statement_and_its_finding_lead_to_each_other(open_admin, live_server, query, scheme):
    page = open_admin(scheme)
    page.goto(url(live_server, "querytemplate_change", query.pk))
    for selector in (".po-badge", ".po-card a", ".po-note", ".po-figures dt", ".po-table th"):
        assert page.evaluate(CONTRAST, selector) >= 4.5, selector
    page.click(f"text={ADVICE.title}")
    # The click is over as soon as the other page begins.
    page.wait_for_load_state()
    assert page.evaluate(CONTRAST, ".po-plain a code") >= 4.5
    page.click("text=FROM shelves")
    assert page.url == url(live_server, "querytemplate_change", query.pk)


def test_a_dead_analysis_is_asked_for_again_by_hand(open_admin, live_server):
    long_ago = timezone.now() - timedelta(hours=1)
    dead = Analysis.objects.create(state="running", heartbeat_at=long_ago, worker="host:1")
    page = open_admin()
    page.goto(url(live_server, "analysis_change", dead.pk))
    assert page.inner_text(".po-badge") == "? lost"
    page.click("button:has-text('Analyse again')")
    page.wait_for_url(lambda address: not address.endswith(f"/{dead.pk}/change/"))
    assert Analysis.objects.exclude(pk=dead.pk).count() == 1


def test_a_run_is_seen_going_on_and_ending_without_a_reload(open_admin, live_server, settings):
    """What changes is changed in place: focus, scrolling and what a reader opened stay."""
    settings.PERFOPS = {**settings.PERFOPS, "LOST_AFTER_S": 3600.0}
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
        sample(run, second, "/shelves", encoded(5))
    page.wait_for_selector("svg path.po-line", state="attached")
    # The page may have looked between two of the seconds.
    page.wait_for_selector(".po-banner:has-text('10 of 50 s')")
    page.wait_for_selector("#po-run-routes tr:has-text('/shelves') td:has-text('1,000')")
    assert page.title().startswith("● running 20% | Run")
    page.locator(".po-chart summary").nth(1).click()
    page.evaluate(WATCH)
    for second in range(10, 20):
        sample(run, second)
    page.wait_for_selector(".po-banner:has-text('20 of 50 s')")
    page.wait_for_selector("progress[value='40']")
    assert page.evaluate(SEEN) == {"focus": True, "scrolled": 200, "open": True, "said": 0}
    LoadRun.objects.filter(pk=run.pk).update(
        state="finished", verdict="pass", finished_at=timezone.now()
    )
    page.wait_for_selector(".po-banner.po-good")
    assert page.locator("progress").count() == 0
    assert page.title().startswith("✓ pass | Run")
    # The verdict is read out, once; what has the focus is still there.
    assert page.evaluate(SEEN) == {"focus": True, "scrolled": 200, "open": True, "said": 1}
    page.wait_for_selector("text=Run again")
    assert not page.locator("button:has-text('Cancel')").is_visible()
    page.reload()
    assert page.title().startswith("✓ pass | Run")


# Which elements are there, where the reader is, and how often a screen reader is told something.
WATCH = """() => {
  const summary = document.querySelectorAll(".po-chart summary")[1];
  summary.focus();
  window.scrollTo(0, 200);
  window.watched = { summary, said: 0 };
  new MutationObserver(() => { window.watched.said += 1; }).observe(
    document.querySelector("[role=status]"),
    { subtree: true, childList: true, characterData: true, attributes: true });
}"""
SEEN = """() => ({
  focus: document.activeElement === window.watched.summary,
  scrolled: window.scrollY,
  open: window.watched.summary.parentElement.open,
  said: window.watched.said,
})"""


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
    page.wait_for_selector(".opblock")
