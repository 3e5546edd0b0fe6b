"""``docs/finding-causes.md``: each way that the browser follows, with a picture that is there."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from examples.break_system import CAUSES, main

PAGE = Path(settings.BASE_DIR) / "docs" / "finding-causes.md"
MOST_BYTES = 200_000


@pytest.mark.parametrize("name", [*CAUSES, "overview"])
def test_each_cause_has_a_picture_that_is_linked_and_small(name):
    picture = PAGE.parent / "images" / "causes" / f"{name}.png"
    assert f"](images/causes/{name}.png)" in PAGE.read_text()
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < MOST_BYTES


def test_the_table_names_each_cause_once():
    rows = re.findall(r"^\| \[[^\]]+\]\(#([\w-]+)\) \| [123] \|", PAGE.read_text(), re.M)
    assert len(rows) == len(set(rows)) == len(CAUSES)


def test_a_cause_that_there_is_not_is_refused_with_those_there_are(capsys):
    assert main(["nothing"]) == 2
    assert "There is no nothing. There are: dropped_index" in capsys.readouterr().out
