"""Index advice as a person sees it: read the proof, take the migration along."""

import os
from pathlib import Path

import pytest
from django.urls import reverse

from tests.perfops.admin.test_recommendations import MIGRATION, advice

__all__ = ["advice"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_the_proof_fits_and_the_migration_is_downloaded(
    open_admin, live_server, advice, scheme, width
):
    page = open_admin(scheme, width)
    page.goto(live_server.url + reverse("admin:perfops_finding_change", args=[advice.finding_id]))
    assert page.locator("table.po-table tbody tr").count() == 2
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=f"{folder}/advice-{scheme}-{width}.png", full_page=True)
    with page.expect_download() as download:
        page.click("text=Download, to apply later")
    assert download.value.suggested_filename == "0007_add_x.py"
    assert Path(download.value.path()).read_text() == MIGRATION
