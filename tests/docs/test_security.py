"""The threat list names tests that are there."""

import re

import pytest
from django.conf import settings

PAGE = (settings.BASE_DIR / "docs" / "security.md").read_text()
TABLE = PAGE.partition("\n## ")[0]
ROWS = [line for line in TABLE.splitlines() if line.startswith("| ")][1:]
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", PAGE)))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:40])
def test_each_threat_has_its_test(row):
    assert re.search(r"`[\w/]+\.py(::\w+)?`", row.split("|")[-2]), row


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_each_test_of_the_threat_list_is_there(path, name):
    file = settings.BASE_DIR / "tests" / path
    assert file.is_file()
    assert f"def {name}" in file.read_text() if name else "def test_" in file.read_text()
