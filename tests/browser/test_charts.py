"""Charts read by pointer and keyboard, and saved."""

import csv
import os
from pathlib import Path

import pytest
from django.urls import reverse

from tests.browser.test_perfops_pages import everything, query

__all__ = ["everything", "query"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]


def test_a_chart_is_read_zoomed_and_saved(open_admin, live_server, everything):
    page = open_admin()
    page.goto(live_server.url + reverse("admin:perfops_loadrun_change", args=[everything[0].pk]))
    plots = page.locator("#po-run-charts .po-plot")
    said = page.locator("#po-run-charts .po-readout")
    plots.first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    # All charts say what was at that time.
    at_once = said.all_inner_texts()
    assert len(at_once) > 1
    assert all(text.startswith("1 s · ") for text in at_once), at_once
    assert "1 s," in plots.first.get_attribute("aria-valuetext")
    assert page.locator("#po-run-charts .po-cross.po-is-on").count() == len(at_once)
    box = plots.first.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    assert not said.first.inner_text().startswith("1 s ·")
    # From a quarter to a half, marked with the mouse.
    whole = page.locator("#po-run-charts svg svg").first.get_attribute("viewBox")
    page.mouse.move(box["x"] + box["width"] / 4, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, middle, steps=3)
    page.mouse.up()
    zoomed = page.locator("#po-run-charts svg svg").evaluate_all(
        "all => all.map((each) => each.getAttribute('viewBox'))"
    )
    assert whole not in zoomed
    page.keyboard.press("Escape")
    shown = page.locator("#po-run-charts svg svg").first.get_attribute("viewBox")
    assert shown == whole
    figure = page.locator("#po-run-charts .po-chart:has-text('p95')").first
    with page.expect_download() as saved:
        figure.locator("[data-chart=csv]").click()
    with Path(saved.value.path()).open(newline="") as file:
        head, *rows = list(csv.reader(file))
    assert head[:3] == ["second", "p50", "p50, as shown"]
    assert len(rows) == 30
    assert rows[0][:3] == ["0 s", "1.0", "1.0 ms"]
    with page.expect_download() as saved:
        figure.locator("[data-chart=png]").click()
    picture = Path(saved.value.path()).read_bytes()
    assert picture.startswith(b"\x89PNG")
    if folder := os.environ.get("PICTURES"):
        (Path(folder) / "chart.png").write_bytes(picture)
        figure.locator(".po-plot").focus()
        page.keyboard.press("+")
        page.keyboard.press("End")
        page.screenshot(path=Path(folder) / "charts-zoomed.png", full_page=True)
    # Numbers of the axes are as large on a phone.
    heights = []
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_function("""() => {
          const plot = document.querySelector(".po-plot");
          const unit = Number(getComputedStyle(plot).getPropertyValue("--po-unit"));
          return Math.abs(unit * plot.clientWidth - plot.dataset.width) < 1;
        }""")
        text = page.locator("#po-run-charts .po-tick").first
        heights.append(text.evaluate("each => each.getBoundingClientRect().height"))
    assert heights[0] == pytest.approx(heights[1], rel=0.15)
    if folder:
        page.screenshot(path=Path(folder) / "charts-390.png", full_page=True)


def test_on_a_phone_a_row_is_a_card_with_every_column(open_admin, live_server, everything, query):
    """Nothing is beyond the edge: p95, outcome and the like were cut off without a hint."""
    page = open_admin(width=390)
    for path in (
        reverse("admin:perfops_loadrun_changelist"),
        reverse("admin:perfops_querytemplate_changelist"),
        reverse("admin:perfops_loadrun_change", args=[everything[0].pk]),
        reverse("admin:perfops_analysis_tables", args=[everything[1].pk]),
        reverse("admin:perfops_budget_changelist"),
    ):
        page.goto(live_server.url + path)
        page.wait_for_selector(".po-cards")
        assert page.evaluate(BEYOND) == [], path
        folder = os.environ.get("PICTURES")
        if folder:
            name = path.strip("/").replace("/", "-")
            page.screenshot(path=Path(folder) / f"cards-{name}.png", full_page=True)
    cell = page.locator("#result_list td.field-threshold, #result_list td[data-label]").first
    assert cell.get_attribute("role") == "cell"
    # From anywhere on a page to what it looks for.
    page.keyboard.press("/")
    page.keyboard.type("shelves")
    page.keyboard.press("Enter")
    page.wait_for_selector("h2:has-text('Queries')")


BEYOND = """() => [...document.querySelectorAll(".po-cards :is(td, tbody th)")]
  .filter((each) => each.offsetParent && each.getBoundingClientRect().right > window.innerWidth)
  .map((each) => each.textContent.trim().slice(0, 60))"""
