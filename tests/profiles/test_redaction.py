"""A mask that obfuscates dates leaves only years, in every text that others see through it."""

import re

import pytest

from profiles.dates import patterns, years_only
from taxonomy.models import Mask


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Started on 2023-01-01.", "Started on 2023."),
        ("2023-01-01T12:00:00Z to 01.02.2024", "2023 to 2024"),
        ("May 5, 2021; 5th of May 2021; Jan 2020", "2021; 2021; 2020"),
        ("12/31/1999, 2020-03, Q1 2023, 2023-W05", "1999, 2020, 2023, 2023"),
        ("am 3. Mai 2020, le 14 juillet 1789", "am 2020, le 1789"),
        ("on 5 March, or March 3", "on [date], or [date]"),
        ("2023-01-01/2024-02-02", "2023/2024"),
        ("Version 1.2.3, 555-1234, 2019-2021", "Version 1.2.3, 555-1234, 2019-2021"),
        ("May I, 24/7, 1/2 of 365, since 2018", "May I, 24/7, 1/2 of 365, since 2018"),
        ("March 2019, 03/2019, seit März 2019, août 2019", "2019, 2019, seit 2019, 2019"),
        ("March\u2013May 2019; Mai bis Juni 2020; Jan-Mar 2021", "2019; 2020; 2021"),
        ("10/2019-12/2020, March 4-5, 2019, 4.\u20135. März 2018", "2019-2020, 2019, 2018"),
        (
            "Mar '19, Q3 \u201919, 1/2/23, 01.02.23, since 05/18",
            "'19, \u201919, [date], [date], since [date]",
        ),
        ("20190301, 2019\u201303\u201301, 2020-Jan-05, Jan/2020", "2019, 2019, 2020, 2020"),
        ("mid-March 2019, March2020, 2021 Q3, 3Q2022", "mid-2019, 2020, 2021, 2022"),
        (
            "summer 2019, week 12 of 2020, 2021年3月1日から, 1 Jan 19",
            "2019, 2020, 2021から, [date]",
        ),
        (
            "_2023-01-01_, log-2023-01-02.txt, v2023_01_03, 2023-01-01-2024-02-02",
            "_2023_, log-2023.txt, v2023, 2023-2024",
        ),
        (
            "01/02/2022-03/04/2023, 1. 2. 2023, March the 1st, 2023, H1 2023; 1-Jan-23, Mar-23",
            "2022-2023, 2023, 2023, 2023; [date], [date]",
        ),
        ("5 мая 2021 г., 12 марта; 3 maja 2020, 1-3 grudnia", "2021 г., [date]; 2020, [date]"),
        ("2021. április 5., 3 Mayıs 2020, 5 मार्च 2021", "2021., 2020, 2021"),
        ("ngày 5 tháng 3 năm 2021, 2021년 3월 1일, 二月三日", "ngày 2021, 2021, [date]"),
        (
            "２０２３－０１－０２, 5-го мая, 5 ma\u0308rz, Ma\u0308rz 2019",
            "２０２３, [date], [date], 2019",
        ),
        ("am 24.12. oder 03.05.; Q1/23, Q4-2023", "am [date] oder [date]; [date], 2023"),
        ("March 5-6 May 2021, 2023 March31, on May 5\nJune", "2021, 2023, on [date]\nJune"),
        ("I led 5 teams, here 12; chapter 3.1. of 4", "I led 5 teams, here 12; chapter 3.1. of 4"),
        # To be read in one pass: this took minutes when each space could belong to several parts.
        (f"2019{' ' * 9000}x 1{' ' * 900}x", f"2019{' ' * 9000}x 1{' ' * 900}x"),
    ],
)
def test_dates_in_a_text_are_reduced_to_their_years(text, shown):
    assert years_only(text) == shown


def test_no_part_of_a_text_is_tried_in_two_ways():
    """Whoever writes a text chooses it: its dates are looked for in about the time of any other.

    A repetition that gives back what it took would try the rest of the text again each time.
    """
    _, dates = patterns()
    bare = re.sub(r"\\.|\[[^]]*\]|\(\?(?:[:=!]|<[=!])", "x", dates.pattern)
    assert re.findall(r"[*+?]\+?", bare)
    assert set(re.findall(r"[*+?]\+?|\{", bare)) <= {"*+", "?+", "++"}


def write(world, text):
    block = {"title": text, "body": text, "tags": [text], "template": text}
    body = {"mask": "architect", "blocks": [block]}
    made = world.owner.post("/profiles/ada/narratives", body).json()
    path = f"/profiles/ada/narratives/{made['id']}"
    assert world.owner.post(f"{path}/approve", {}).status_code == 200
    return path


@pytest.mark.usefixtures("empty_cache")
def test_a_mask_reduces_dates_in_all_texts_at_once(world, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        path = write(world, "Since 2023-01-01")
    assert "2023-01-01" in world.nobody.get(path).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        changed = world.staff.patch(
            "/taxonomy/masks/architect", {"redaction": {"obfuscate_dates": True}}
        )
    assert changed.status_code == 200
    (block,) = world.nobody.get(path).json()["blocks"]
    texts = (block["title"], block["body"], block["template"], *block["tags"])
    assert texts == ("Since 2023",) * 4
    assert "2023-01-01" not in world.nobody.get("/profiles/ada/narratives").content.decode()
    assert "2023-01-01" in world.owner.get(path).content.decode()


def test_a_generated_narrative_has_no_dates_in_its_texts(world):
    Mask.objects.filter(slug="analyst").update(obfuscate_dates=True, compression_ratio=1)
    world.owner.post(
        "/profiles/ada/projects",
        {
            "name": "Begun 2023-01-01",
            "description": "Started on May 5, 2021.",
            "starts_on": "2020-02-03",
        },
    )
    made = world.owner.post("/profiles/ada/narratives/generate", {"mask": "analyst"})
    text = made.content.decode()
    assert "Begun 2023" in text
    for date in ("2023-01-01", "May 5", "2020-02-03"):
        assert date not in text
