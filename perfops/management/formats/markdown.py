"""The report as Markdown: for a pull request, an issue, a wiki."""

import re
from collections.abc import Iterable

from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.services import Report
from perfops.formatting import visible
from perfops.management.formats import formatting
from perfops.management.formats.formatting import Entry

_MARKS = {"error": "❌", "warning": "⚠️", "info": "💡"}
# What Markdown, or HTML inside it, would take for its own.
_SPECIAL = re.compile(r"([\\`*{}\[\]#|&~]|<(?=[A-Za-z/!?])|^>|(?<!\w)_|_(?!\w))")

NAME = "markdown"


def render(report: Report) -> str:
    lines = [
        f"# {plain(formatting.name(report))}", "",
        f"**{formatting.counts(report)}**; {plain(formatting.window(report))}", "",
    ]  # fmt: skip
    shown = formatting.entries(report)
    if shown:
        lines += ["| | finding | advisor |", "|---|---|---|"]
        lines += [
            f"| {_MARKS[each.severity]} {each.severity} | {plain(_titled(each))} "
            f"| {each.issues[0].advisor} |"
            for each in shown
        ]
    for each in shown:
        lines += _entry(each)
    lines += [f"- {plain(sentence)}" for sentence in formatting.unchecked(report)]
    for missing in report.window.missing:
        lines += ["", f"## Could not be read: {plain(missing.source)}", ""]
        lines += [f"{plain(missing.reason)}. {plain(missing.cost)}"]
        lines += _code(missing.remedy)
    return "\n".join(lines) + "\n"


def _titled(entry: Entry) -> str:
    after = [part for part in (entry.impact, entry.apart and f"set apart: {entry.apart}") if part]
    return f"{entry.title} ({'; '.join(after)})" if after else entry.title


def _entry(entry: Entry) -> Iterable[str]:
    if not entry.is_folded:
        for each in entry.issues:
            yield from _in_full(each)
        return
    # The tags are ours; in a title none is left.
    yield from ("", f"<details><summary>{plain(_titled(entry))}</summary>", "")
    for each in entry.issues:
        yield from _in_full(each)
    yield from ("", "</details>")


def _in_full(advice: DetectedIssue) -> Iterable[str]:
    yield from ("", f"## {_MARKS[advice.severity]} {plain(advice.title)}", "")
    for label, value in formatting.evidence(advice):
        yield f"- {plain(label)}: {plain(value)}"
    yield from ("", plain(advice.why), "", f"**What to do:** {plain(advice.remedy)}")
    yield from _code(advice.statement)


def plain(text: str) -> str:
    """Return ``text`` as Markdown on one line that shows it as it is."""
    return _SPECIAL.sub(r"\\\1", visible(" ".join(text.split())))


def _code(statement: str) -> list[str]:
    if not statement:
        return []
    statement = visible(statement)
    # A name may hold backticks: the fence is longer than any of them.
    longest = max(map(len, re.findall(r"`+", statement)), default=0)
    fence = "`" * max(3, longest + 1)
    return ["", f"{fence}sql", statement, fence]
