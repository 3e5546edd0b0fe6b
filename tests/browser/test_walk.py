"""Every page of ours, in both themes and at three widths: what axe-core finds serious, what the
console complains of, what is asked of another server, and what is wider than its window.

``PICTURES=folder`` in the environment keeps a picture of each.
"""

import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse

from perfops.models import Analysis, Budget, Finding, LoadRun, QueryTemplate
from tests.browser.test_perfops_pages import everything, query

__all__ = ["everything", "query"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]
# All six take twice as long, and no rule looks at a theme and a width together.
LOOKED_AT = (("light", 1440), ("dark", 360), ("light", 768))
# What a theme or a width can change; all other rules are asked once a page.
LOOKS = ("color-contrast", "scrollable-region-focusable", "target-size", "link-in-text-block")
SERIOUS = ("serious", "critical")
AXE = f"""async (looks) => {{
  // Preloading asks the server for style sheets by addresses that it has not.
  const options = {{ preload: false, resultTypes: ["violations"] }};
  // The label of Django's search field is a picture with a text: that will do.
  options.rules = {{ "target-size": {{ enabled: true }} }};
  options.rules["label-title-only"] = {{ enabled: false }};
  if (looks.length) options.runOnly = {{ type: "rule", values: looks }};
  const found = await axe.run(document, options);
  return found.violations.filter((each) => {list(SERIOUS)}.includes(each.impact)).map((each) =>
    `${{each.id}}: ` + each.nodes.slice(0, 3).map((node) => node.html.slice(0, 150)).join(" | "));
}}"""
FITS = "document.documentElement.scrollWidth <= window.innerWidth"


def ours():
    """The pages that this project wrote."""
    run, analysis, earlier = LoadRun.objects.get(), *Analysis.objects.order_by("-pk")[:2]
    for name, *arguments in (
        ("index",), ("app_list", "perfops"), ("cache",), ("cache_clear",),
        ("perfops_loadrun_changelist",), ("perfops_loadrun_change", run.pk),
        ("perfops_loadrun_start",), ("perfops_loadrun_compare", run.pk),
        ("perfops_analysis_changelist",), ("perfops_analysis_change", analysis.pk),
        ("perfops_analysis_now",), ("perfops_analysis_tables", earlier.pk),
        ("perfops_analysis_difference", analysis.pk, earlier.pk),
        ("perfops_querytemplate_changelist",),
        ("perfops_querytemplate_change", QueryTemplate.objects.latest("first_seen_at").pk),
        ("perfops_scopetotal_changelist",), ("perfops_pipeline",),
        ("perfops_finding_changelist",), ("perfops_finding_change", Finding.objects.first().pk),
        ("perfops_budget_changelist",), ("perfops_budget_change", Budget.objects.first().pk),
    ):  # fmt: skip
        yield reverse(f"admin:{name}", args=arguments)
    yield "/"


def test_no_page_has_anything_serious_in_any_theme_or_width(
    open_admin, live_server, everything, query
):
    page, script = open_admin(), Axe().axe_script
    wrong, answers = [], []
    page.on("request", lambda asked: answers.append(asked.url))
    for path in ours():
        page.goto(live_server.url + path)
        page.evaluate(script)
        # A colour is looked at when it has changed, not while it does.
        page.add_style_tag(content="* { transition: none !important; }")
        rules = []
        for theme, width in LOOKED_AT:
            page.emulate_media(color_scheme=theme)
            page.set_viewport_size({"width": width, "height": 900})
            found = page.evaluate(AXE, rules)
            rules = list(LOOKS)
            if not page.evaluate(FITS):
                found.append("wider than its window")
            wrong += [f"{path} {theme} {width}: {each}" for each in found]
            keep(page, path, theme, width)
    assert wrong == []
    outside = [url for url in answers if not url.startswith((live_server.url, "data:"))]
    assert outside == []


def keep(page, path, theme, width):
    folder = os.environ.get("PICTURES")
    if folder and width != 768:
        name = path.strip("/").replace("/", "-") or "start"
        page.screenshot(path=Path(folder) / f"{name}-{theme}-{width}.png", full_page=True)
