"""Each page of our own says in one sentence what it is."""

import re
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
PARENTS = ("perfops/page.html", "admin/operations_page.html")
FOLDERS = ("perfops/templates/perfops", "templates/admin")


def parent(path):
    found = re.match(r'{% extends "(.*)" %}', path.read_text())
    return found[1] if found else ""


PAGES = [
    path.relative_to(ROOT)
    for folder in FOLDERS
    for path in sorted((ROOT / folder).glob("*.html"))
    if parent(path) in PARENTS and path.name != "operations_page.html"
]


def test_there_are_pages():
    assert len(PAGES) > 15


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_a_page_says_what_it_is(path):
    text = (ROOT / path).read_text()
    found = re.search(r"{% block what %}(.+?){% endblock", text, re.DOTALL)
    assert found, f"{path} has no block what: one sentence that says what the page is."
    assert found[1].strip()[0].isupper()
