"""Who is woken by an alert finds a page that says what to do."""

import re

import pytest
from django.conf import settings

from tests.monitoring.test_rules import NAMES

RUNBOOKS = settings.BASE_DIR / "docs" / "runbooks"


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_has_its_run_book(name):
    page = RUNBOOKS / f"{name}.md"
    assert page.exists(), f"Write docs/runbooks/{name}.md."
    text = page.read_text()
    for part in (f"# {name}", "## What it means", "## Look", "## Fix", "## Check afterwards"):
        assert part in text, f"{page.name} has no {part!r}."


def test_no_run_book_is_left_of_an_alert_that_is_gone():
    assert sorted(path.stem for path in RUNBOOKS.glob("*.md") if path.stem != "README") == NAMES


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_links_lead_somewhere(path):
    for link in re.findall(r"\]\(([^)]+)\)", path.read_text()):
        assert (path.parent / link).exists(), link


def test_the_index_lists_every_page():
    index = (RUNBOOKS / "README.md").read_text()
    assert [name for name in NAMES if f"[{name}]({name}.md)" not in index] == []
