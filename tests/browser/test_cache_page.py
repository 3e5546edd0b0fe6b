"""The cache's page as a person sees it."""

import pytest

from midst.kernel.cache import Outcome, read
from tests.browser.test_perfops_pages import CONTRAST

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.usefixtures("valkey"),
]


def keep(kind):
    return read(kind, "thing:1", compute=lambda: b"body").outcome


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_its_window_and_can_be_read(open_admin, live_server, things, scheme, width):
    keep(things[0])
    page = open_admin(scheme, width)
    for path in ("cache/", "cache/clear/?region=things", "cache/clear/?pattern=thing:*"):
        page.goto(f"{live_server.url}/admin/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    page.goto(f"{live_server.url}/admin/cache/")
    for selector in (".po-badge", ".po-note", ".po-figures dt", ".po-table th"):
        assert page.evaluate(CONTRAST, selector) >= 4.5, selector


def test_a_region_and_a_pattern_are_cleared_by_hand(open_admin, live_server, things):
    keep(things[0])
    page = open_admin()
    page.goto(f"{live_server.url}/admin/")
    page.click("#content-main a:text-is('Cache')")
    page.click("tr:has-text('things') >> text=Clear")
    page.click("button:has-text('Clear things')")
    assert "region things is invalid" in page.inner_text(".messagelist")
    assert keep(things[0]) is Outcome.MISS
    page.fill("#id_pattern", "thing:*")
    page.click("text=Delete …")
    page.click("button:has-text('Delete')")
    assert "Deleted 1 cached answers that match thing:*." in page.inner_text(".messagelist")
    assert keep(things[0]) is Outcome.MISS
