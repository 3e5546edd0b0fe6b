"""Every page of ours, in both themes and at three widths: what axe-core finds serious, what the
console complains of, what is asked of another server, and what is wider than its window.

``PICTURES=folder`` in the environment keeps a picture of each. What a role gets and is offered:
``tests/perfops/admin/test_roles.py``; how many statements a page takes: ``test_a_year.py`` there.
A superuser gets every page at each width and in both themes; a role gets its pages in one each.
"""

import itertools
import os
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from perfops.models import Analysis, Budget, Finding, LoadRun, QueryTemplate
from perfops.models.decisions import Waiver
from tests.browser.axe import Eyes
from tests.browser.test_perfops_pages import everything, query

__all__ = ["everything", "query"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]
WIDTHS = (360, 768, 1440)
THEMES = ("light", "dark")
# What each role gets is tests/perfops/admin/test_roles.py's: these are not among it.
NOT_VIEWERS = (
    "_add", "_delete", "loadrun_start", "cache_clear", "django_celery_beat_periodictask_changelist",
    "django_celery_beat_periodictask_change",
)  # fmt: skip
NOT_FOR = {
    "viewer": NOT_VIEWERS,
    "operator": tuple(each for each in NOT_VIEWERS if each != "loadrun_start"),
    "administrator": tuple(each for each in NOT_VIEWERS if "periodictask" in each),
}
# What does not fit is scrolled to: no column is squeezed to a letter's width.
NARROWEST = 40
# On phones alone the search is below the navigation.
LAID_OUT = f"""() => {{
  const wrong = [], [list, search] = [".po-nav ul", ".po-nav form"].map((each) =>
    document.querySelector(each));
  if (document.documentElement.scrollWidth > window.innerWidth) wrong.push("wider than its window");
  const narrow = [...document.querySelectorAll("td, tbody th")].find((cell) => {{
    const width = cell.getBoundingClientRect().width;
    return width > 0 && width < {NARROWEST} && cell.innerText.trim().length > 12;
  }});
  if (narrow) wrong.push(`a narrow cell: ${{narrow.innerText}}`);
  if (list && window.innerWidth >= 768 &&
    search.getBoundingClientRect().top >= list.getBoundingClientRect().bottom)
    wrong.push("the search is below the navigation");
  return wrong;
}}"""


def ours(role=""):
    """The pages that this project wrote, as far as ``role`` gets them; "": a superuser."""
    run, analysis, earlier = LoadRun.objects.get(), *Analysis.objects.order_by("-pk")[:2]
    budget, finding = Budget.objects.earliest("pk").pk, Finding.objects.earliest("pk").pk
    waiver = Waiver.objects.create(budget="p95 latency", reason="known", ends_at=timezone.now())
    task = PeriodicTask.objects.filter(crontab__isnull=False).earliest("pk")
    session = connection.connection.info.backend_pid
    for name, *arguments in (
        ("index",), ("app_list", "perfops"), ("cache",), ("cache_clear",), ("tasks",),
        ("perfops_loadrun_changelist",), ("perfops_loadrun_change", run.pk),
        ("perfops_loadrun_start",), ("perfops_loadrun_compare", run.pk),
        ("perfops_analysis_changelist",), ("perfops_analysis_change", analysis.pk),
        ("perfops_analysis_now",), ("perfops_analysis_session", session),
        ("perfops_analysis_capacity",),
        ("perfops_analysis_tables", earlier.pk), ("perfops_analysis_indexes", earlier.pk),
        ("perfops_analysis_difference", analysis.pk, earlier.pk),
        ("perfops_querytemplate_changelist",),
        ("perfops_querytemplate_change", QueryTemplate.objects.latest("first_seen_at").pk),
        ("perfops_scopetotal_changelist",), ("perfops_pipeline",),
        ("perfops_finding_changelist",), ("perfops_finding_change", finding),
        ("perfops_finding_history", finding),
        ("perfops_budget_changelist",), ("perfops_budget_change", budget), ("perfops_budget_add",),
        ("perfops_budget_runs", budget), ("perfops_budget_history", budget),
        ("perfops_waiver_changelist",), ("perfops_waiver_change", waiver.pk),
        ("perfops_waiver_add",), ("perfops_waiver_history", waiver.pk),
        ("perfops_loadrun_delete", run.pk), ("perfops_loadrun_history", run.pk),
        ("django_celery_beat_periodictask_changelist",),
        ("django_celery_beat_periodictask_change", task.pk), ("password_change",),
    ):  # fmt: skip
        if not name.endswith(NOT_FOR.get(role, ())):
            yield reverse(f"admin:{name}", args=arguments)
    search = reverse("admin:perfops_search")
    yield from ("/", search, f"{search}?q=shelves", f"{search}?q=nothing")


def test_no_page_has_anything_serious_for_any_role_in_any_theme_or_width(
    open_admin, live_server, everything, query
):
    page, eyes = open_admin(), Eyes()
    wrong, asked = [], []
    page.context.on("request", lambda request: asked.append(request.url))
    for turn, path in enumerate(ours()):
        page.goto(live_server.url + path)
        wrong += [f"{path} {each}" for each in looked_at(page, eyes, path, looks_of(turn))]
    # The form of several findings at once is the answer to a form.
    page.goto(live_server.url + reverse("admin:perfops_finding_changelist"))
    page.check("#action-toggle")
    page.select_option("[name=action]", "mute_selected")
    page.click("[name=index]")
    page.wait_for_selector("[name=until]")
    wrong += [f"mute {each}" for each in looked_at(page, eyes, "/mute/", looks_of(0))]
    for role in NOT_FOR:
        page = open_admin(role=role)
        page.context.on("request", lambda request: asked.append(request.url))
        wrong += walked_as(role, page, live_server.url, eyes)
    assert wrong == []
    assert [url for url in asked if not url.startswith((live_server.url, "data:"))] == []


def looks_of(turn):
    """The three widths with both themes among them; two pages after each other have all six.

    The widths go up and down in turn: a window is only made another where it must be.
    """
    widths = WIDTHS[:: -1 if turn % 2 else 1]
    return [(THEMES[(turn // 2 + number) % 2], width) for number, width in enumerate(widths)]


def walked_as(role, page, url, eyes):
    """Yield what is wrong with the pages of a role, each in one theme and width, in rotation.

    What the roles before saw in that theme and width is not looked at again.
    """
    turn = list(NOT_FOR).index(role)
    pages = [
        (looks_of(number)[(number + turn) % 3], path) for number, path in enumerate(ours(role))
    ]
    for look, path in sorted(pages):
        show(page, look)
        answer = page.goto(url + path)
        if not answer.ok:
            yield f"{role} {path} {answer.status}"
        if path == reverse("admin:index") or eyes.has_new(page, look):
            for each in looked_at(page, eyes, f"{role}{path}", [look]):
                yield f"{role} {path} {each}"
        else:
            for each in laid_out(page):
                yield f"{role} {path} {look}: {each}"


def looked_at(page, eyes, path, looks):
    """Return what is wrong with the page that is open, in each of ``looks``."""
    eyes.open(page)
    # A colour is looked at when it has changed, not while it does.
    page.add_style_tag(content="* { transition: none !important; }")
    wrong = eyes.whole(page)
    for look in looks:
        show(page, look)
        found = [*eyes.parts(page, look), *laid_out(page)]
        wrong += [f"{look}: {each}" for each in found]
        keep(page, path, *look)
    return wrong


def show(page, look):
    theme, width = look
    page.emulate_media(color_scheme=theme)
    if page.viewport_size["width"] != width:
        page.set_viewport_size({"width": width, "height": 900})


def laid_out(page):
    """Return what is wrong with where things are."""
    return page.evaluate(LAID_OUT)


def test_pages_of_refusal_are_as_good_as_the_others(
    open_admin, live_server, client, django_user_model, monkeypatch
):
    """403, 404, 500 and too many attempts at signing in, by whom nobody knows."""
    page, eyes, wrong = open_admin(), Eyes(), []
    nobody = django_user_model.objects.create_user("nobody", password="x", is_staff=True)
    client.force_login(nobody)
    start = reverse("admin:perfops_loadrun_start")
    asked = RequestFactory().get("/admin/")
    asked.user = AnonymousUser()
    written = {
        403: client.get(start).content.decode(),
        404: client.get("/nothing").content.decode(),
        500: render_to_string("500.html"),
        429: render_to_string(
            "admin/too_many_attempts.html",
            {**admin.site.each_context(asked), "title": "Too many attempts",
             "is_nav_sidebar_enabled": False, "wait_s": 30},
        ),
    }  # fmt: skip
    page.goto(live_server.url)
    for turn, (status, html) in enumerate(written.items()):
        page.set_content(html)
        wrong += [
            f"{status} {each}" for each in looked_at(page, eyes, f"/{status}/", looks_of(turn))
        ]
    assert wrong == []


def test_the_first_tab_leads_past_the_navigation_and_what_has_the_focus_is_seen(
    open_admin, live_server, everything
):
    page = open_admin()
    page.goto(live_server.url + reverse("admin:perfops_finding_changelist"))
    page.keyboard.press("Tab")
    assert "skip" in page.evaluate("document.activeElement.className").lower()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#content-start, #content') !== null")
    # The order of the focus is the order on the page: never up within one column.
    tops = []
    for _ in range(12):
        tops.append(page.evaluate("document.activeElement.getBoundingClientRect().top"))
        assert page.evaluate("document.activeElement.checkVisibility()")
        page.keyboard.press("Tab")
    assert tops == sorted(tops) or max(a - b for a, b in itertools.pairwise(tops)) < 60


def test_times_are_in_the_readers_zone_with_utc_when_pointed_at(
    open_admin, live_server, everything
):
    page = open_admin(zone="Asia/Tokyo")
    page.goto(live_server.url + reverse("admin:perfops_loadrun_change", args=[everything[0].pk]))
    at = everything[0].created_at
    shown = page.locator(f"time[title='{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC']").first
    tokyo = at.astimezone(ZoneInfo("Asia/Tokyo"))
    assert f"{tokyo:%Y-%m-%d %H:%M}" in shown.inner_text()


def keep(page, path, theme, width):
    folder = os.environ.get("PICTURES")
    if folder:
        name = path.strip("/").replace("/", "-").replace("?", "-") or "start"
        page.screenshot(path=Path(folder) / f"{name}-{theme}-{width}.png", full_page=True)
