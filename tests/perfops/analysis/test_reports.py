"""The report in its five forms, and what each must keep to."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import jsonschema_rs
import msgspec
import pytest
from django.core.management import call_command

from perfops import formatting
from perfops.analysis import services as analyses
from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.collectors import difference
from perfops.analysis.collectors.origins import ScopeSum
from perfops.analysis.collectors.records import Server, UnavailableSource
from perfops.analysis.collectors.snapshot import Snapshot
from perfops.analysis.services import Report
from perfops.management.commands import analyze_db
from perfops.management.formats import renderers
from tests.perfops.analysis.test_n_plus_one import ORIGIN

NASTY = 'a|b`c```d<script>alert(1)</script>[red]e[/red]"; DROP'
SERVER = Server(180006, "18.6", "shop", "me", started_at=0.0, now=7200.0)


def advice(severity="warning", number=1, **changes):
    return replace(
        DetectedIssue(
            "growth", f"public.t{number}", severity, f"title {number}", "why", "what to do",
            statement=f'ANALYZE "t{number}";', evidence={"rows": 1234567, "share": "50%"},
        ),
        **changes,
    )  # fmt: skip


def report(*found, hidden=(), missing=()):
    window = difference.since_reset(Snapshot(taken_at=7200.0, server=SERVER, missing=missing))
    return Report("default", window, list(found), frozenset(hidden), 7)


MISSING = UnavailableSource(
    "pg_stat_statements", "it is not there", "No slow queries.", "CREATE EXTENSION x;"
)


@pytest.mark.parametrize("name", renderers())
def test_every_form_tells_findings_and_what_was_missing(name):
    text = renderers()[name](report(advice(), missing=(MISSING,)))
    for part in ("title 1", "1,234,567" if name != "json" else "1234567", "what to do"):
        assert part in text
    assert "t1" in text
    for part in ("pg_stat_statements", "it is not there", "CREATE EXTENSION x;"):
        assert part in text


@pytest.mark.parametrize("name", renderers())
def test_every_form_is_whole_when_nothing_was_found(name):
    assert renderers()[name](report())


@pytest.mark.parametrize("name", sorted(set(renderers()) - {"json", "sarif"}))
def test_what_is_muted_is_counted_and_not_told(name):
    one = advice()
    text = renderers()[name](report(one, advice(number=2), hidden=[one.fingerprint]))
    assert "title 2" in text
    assert "title 1" not in text
    assert "1 acknowledged or muted" in text


def test_the_terminal_shows_a_screenful_worst_first():
    many = [advice("error", 0), *(advice(number=n, advisor=f"kind_{n}") for n in range(1, 40))]
    text = renderers()["text"](report(*many))
    assert text.index("title 0") < text.index("title 1")
    assert len(text.splitlines()) <= 40
    assert "28 more of warning" in text


def test_the_terminal_writes_names_as_they_are():
    assert NASTY in renderers()["text"](report(advice(title=NASTY)))


STEERING = "t\x1b]0;owned\x07\x1b[2J\x9b31m\u202egpj \n  error    forged\r"


@pytest.mark.parametrize("name", ["text", "markdown", "sarif", "json"])
def test_no_form_sends_a_terminal_what_steers_it(name):
    found = advice(title=STEERING, statement=STEERING, evidence={STEERING: STEERING})
    missing = UnavailableSource(STEERING, STEERING, STEERING, STEERING)
    text = renderers()[name](report(found, missing=(missing,)))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert r"\x1b" in text or r"\u001b" in text
    if name == "text":
        assert not any(line.startswith("  error    forged") for line in text.splitlines())


@pytest.mark.parametrize("name", ["markdown", "sarif"])
def test_no_name_becomes_a_link(name):
    link = "[here](http://evil.example) {0} &lt; __b__"
    text = renderers()[name](report(advice(title=link, statement="")))
    shown = (
        json.loads(text)["runs"][0]["results"][0]["message"]["text"] if name == "sarif" else text
    )
    assert r"\[here\](http://evil.example)" in shown
    assert ("{{0}}" if name == "sarif" else r"\{0\} \&lt; \__b_\_") in shown


class Strict(HTMLParser):
    """Every tag is closed; what could fetch or run something is noted."""

    VOID = {"meta", "br", "hr", "input", "link"}

    def __init__(self):
        super().__init__()
        self.open, self.dangerous = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        if (
            tag in {"script", "link", "img", "iframe"}
            or {"src", "href", "style"} & dict(attrs).keys()
        ):
            self.dangerous.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_html_is_one_file_without_script_light_and_dark():
    text = renderers()["html"](report(advice(title=NASTY, statement=NASTY), missing=(MISSING,)))
    parser = Strict()
    parser.feed(text)
    assert (parser.open, parser.dangerous) == ([], [])
    assert "url(" not in text
    assert "prefers-color-scheme: dark" in text
    assert "&lt;script&gt;" in text


def test_markdown_escapes_what_names_may_hold():
    text = renderers()["markdown"](report(advice(title=NASTY, statement=NASTY)))
    row = next(line for line in text.splitlines() if line.startswith("| ⚠️"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 4
    assert not re.search(r"(?<!\\)<script", text.partition("````sql")[0])
    assert f"````sql\n{NASTY}\n````" in text


@pytest.fixture(scope="module")
def schema():
    """The official schema: by formats (URIs, times) as well, which validators skip by default."""
    text = (Path(__file__).parent / "sarif" / "sarif-2.1.0.json").read_text()
    # A bracket too many in the pattern of languages, which we don't name.
    text = text.replace("[a-zA-Z]{2}]?$", "[a-zA-Z]{2}$")
    # Draft 4, as it says, has no format for relative URIs; draft 7 understands all of it.
    return jsonschema_rs.Draft7Validator(json.loads(text), validate_formats=True)


@pytest.mark.parametrize(
    "told",
    [
        report(),
        report(advice("error"), advice(number=2), missing=(MISSING,)),
        report(advice("info"), hidden=[advice("info").fingerprint]),
        report(advice(title=NASTY, object=NASTY, statement=NASTY, evidence={NASTY: NASTY})),
        replace(report(advice()), database="a name/with ü"),
    ],
    ids=["nothing", "findings", "hidden", "nasty", "odd database"],
)
def test_the_sarif_holds_against_the_official_schema(schema, told):
    text = renderers()["sarif"](told)
    assert [str(error) for error in schema.iter_errors(json.loads(text))] == []


@pytest.mark.parametrize("broken", ["version", "level", "uri", "ruleIndex"])
def test_the_official_schema_would_tell(schema, broken):
    told = json.loads(renderers()["sarif"](report(advice())))
    (result,) = told["runs"][0]["results"]
    artifact = result["locations"][0]["physicalLocation"]["artifactLocation"]
    where = {"version": told, "uri": artifact}.get(broken, result)
    where[broken] = "not <this>"
    assert not schema.is_valid(told)


def test_the_sarif_keeps_to_what_2_1_0_requires():
    """§3.13, 3.14, 3.18, 3.19, 3.27 and 3.29 of the OASIS standard, in its own words."""
    one = advice("info")
    told = json.loads(
        renderers()["sarif"](
            report(advice("error"), advice(number=2), one, hidden=[one.fingerprint],
                   missing=(MISSING,))
        )
    )  # fmt: skip
    assert told["version"] == "2.1.0"
    (run,) = told["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"]
    assert [rule["id"] for rule in rules] == list(analyses.titles())
    assert [r["level"] for r in run["results"]] == ["error", "warning", "note"]
    for result in run["results"]:
        assert result["message"]["text"]
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        (location,) = result["locations"]
        uri = location["physicalLocation"]["artifactLocation"]["uri"]
        assert re.fullmatch(r"[A-Za-z0-9%._~/-]+", uri)
        assert location["physicalLocation"]["region"]["startLine"] >= 1
        assert all(isinstance(v, str) for v in result["partialFingerprints"].values())
    assert "suppressions" in run["results"][2]
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is True
    assert invocation["toolExecutionNotifications"][0]["message"]["text"]


def test_the_sarif_points_at_the_line_that_sends_the_statement():
    """So that a pull request is annotated there."""
    sent = msgspec.structs.replace(ORIGIN, queryids=("5",), site="shop/admin.py:9")
    window = replace(report().window, origins=(sent,))
    found = (
        advice(site="shop/views.py:7"),
        advice(number=2, queryids=("5",)),
        advice(number=3, queryids=("6",)),
    )
    told = json.loads(renderers()["sarif"](replace(report(*found), window=window)))
    places = [
        (place["artifactLocation"]["uri"], place["region"]["startLine"])
        for result in told["runs"][0]["results"]
        for place in [result["locations"][0]["physicalLocation"]]
    ]
    assert places == [("shop/views.py", 7), ("shop/admin.py", 9), ("database/default", 1)]


def test_statements_that_look_alike_keep_what_tells_them_apart():
    columns = ", ".join(f'"shop_order"."column_{n}"' for n in range(30))
    join = 'INNER JOIN "shop_person" ON ("shop_order"."buyer_id" = "shop_person"."id")'
    titles = {
        formatting.cut(f'SELECT {columns} FROM "shop_order" {more} WHERE {name} = $1', 90)
        for name in ('"shop_order"."buyer_id"', '"shop_order"."state"')
        for more in ("", join)
    }
    assert len(titles) == 4
    for title in titles:
        assert title.startswith('SELECT … FROM "shop_order"')
        assert "WHERE" in title
        assert len(title) <= 90
    assert formatting.cut("x" * 99, 90) == "x" * 89 + "…"


def test_the_terminal_and_the_json_say_who_sends_a_statement():
    sent = msgspec.structs.replace(ORIGIN, queryids=("5",), site="shop/admin.py:9")
    shown = replace(
        report(advice(queryids=("5",))), window=replace(report().window, origins=(sent,))
    )
    assert "sent by GET /shelves/{id} (shop/admin.py:9)" in renderers()["text"](shown)
    (found,) = json.loads(renderers()["json"](shown))["findings"]
    assert found["sent_by"] == ["GET /shelves/{id} (shop/admin.py:9)"]


def test_statements_per_request_stand_in_the_terminal_and_the_json():
    sums = tuple(
        ScopeSum("request", f"GET /{number}/", 10, 10 * number, number, 5 * number, 40.0)
        for number in range(12, 0, -1)
    )
    shown = replace(report(), window=replace(report().window, scopes=sums))
    text = renderers()["text"](shown)
    assert "12.0  GET /12/ (at most 12, 6.0 of them repeated; 10 requests, 4.00 ms each)" in text
    assert "and 4 with fewer" in text
    (first, *_) = json.loads(renderers()["json"](shown))["statements_per_execution"]
    assert (first["name"], first["statements"], first["repeated"]) == ("GET /12/", 12.0, 6.0)


@pytest.mark.parametrize(
    ("severity", "fail_on", "code"),
    [
        ("error", "error", 1), ("warning", "error", 0), ("warning", "warning", 1),
        ("info", "warning", 0), ("info", "info", 1), ("error", "info", 1),
    ],
)  # fmt: skip
def test_fail_on_names_the_mildest_that_fails(monkeypatch, capsys, severity, fail_on, code):
    monkeypatch.setattr(analyze_db.analyses, "analyse", lambda **_: report(advice(severity)))
    with pytest.raises(SystemExit) as ended:
        call_command("analyze_db", "--fail-on", fail_on)
    assert ended.value.code == code


def test_output_goes_into_a_file_and_a_file_that_can_not_be_is_code_2(
    monkeypatch, capsys, tmp_path
):
    monkeypatch.setattr(analyze_db.analyses, "analyse", lambda **_: report())
    for path, code in ((tmp_path / "report.html", 0), (tmp_path / "no" / "folder.html", 2)):
        with pytest.raises(SystemExit) as ended:
            call_command("analyze_db", "--format", "html", "--output", str(path))
        assert ended.value.code == code
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "hours"), [("30m", 0.5), ("24h", 24), ("7d", 7 * 24), ("2w", 14 * 24)]
)
def test_since_is_a_time_or_an_analysis(text, hours):
    assert analyze_db.since(text) == timedelta(hours=hours)
    assert analyze_db.since("24") == 24


@pytest.mark.parametrize("text", ["", "h", "-1h", "1.5h", "24 h", "yesterday"])
def test_since_says_what_it_takes(text):
    with pytest.raises(analyze_db.ArgumentTypeError, match="24h"):
        analyze_db.since(text)


@pytest.mark.parametrize("name", sorted(set(renderers()) - {"json", "sarif"}))
def test_what_was_not_looked_at_is_not_called_free_of_problems(name):
    text = renderers()[name](replace(report(), only=("growth",)))
    assert "by growth, and nothing else was looked at" in " ".join(text.split())
