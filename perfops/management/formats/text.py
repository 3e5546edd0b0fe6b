"""The report in a terminal: the worst first, read in ten seconds."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from perfops.analysis.advisors.detection import ORDER, DetectedIssue
from perfops.analysis.services import Report
from perfops.management import console
from perfops.management.formats import formatting

# That many are told in full, some more in a line each, the rest as a number.
_IN_FULL = 6
_LINES = 12
_INDENT = " " * 11
# Too long for a line that one reads at a glance.
_LONG = {"definition", "other definition"}

NAME = "text"


def render(report: Report) -> str:
    out = console.out()
    with out.capture() as captured:
        _print(report, out)
    return captured.get()


def _print(report: Report, out: Console) -> None:
    advice = [each for each in report.issues if each.fingerprint not in report.hidden]
    out.print(f"\n[bold]{_plain(formatting.name(report))}[/bold]")
    out.print(f"  {formatting.counts(report)}; {_plain(formatting.window(report))}\n")
    for each in advice[:_IN_FULL]:
        _in_full(each, out)
    for each in advice[_IN_FULL:_LINES]:
        out.print(_first_line(each))
    if len(advice) > _LINES:
        out.print(f"  ... and {_rest(advice[_LINES:])}: --format markdown, or the admin.")
    if not advice:
        healthy = formatting.healthy(report)
        out.print(f"  {healthy[0].upper()}{healthy[1:]}.")
    for sentence in formatting.unchecked(report):
        out.print(f"  [yellow]not checked[/yellow]  {_plain(sentence)}")
    for missing in report.window.missing:
        out.print(f"  [yellow]missing[/yellow]  {_plain(missing.source)}: {_plain(missing.reason)}")
        out.print(f"{_INDENT}[dim]{_plain(missing.cost)}[/dim]")
        if missing.remedy:
            out.print(f"{_INDENT}[bold]{_statement(missing.remedy)}[/bold]")


def _first_line(advice: DetectedIssue) -> str:
    return f"  {console.coloured(f'{advice.severity:7}', advice.severity)}  {_plain(advice.title)}"


def _in_full(advice: DetectedIssue, out: Console) -> None:
    evidence = ", ".join(
        f"{label} {value}" for label, value in formatting.evidence(advice) if label not in _LONG
    )
    out.print(_first_line(advice))
    out.print(f"{_INDENT}[dim]{_plain(evidence)}[/dim]")
    out.print(f"{_INDENT}{_plain(advice.remedy)}")
    if advice.statement:
        out.print(f"{_INDENT}[bold]{_statement(advice.statement)}[/bold]")


def _plain(text: str) -> str:
    """A name may hold line breaks; nothing may look like a line of ours."""
    return escape(" ".join(text.split()))


def _statement(text: str) -> str:
    return escape(text.replace("\n", f"\n{_INDENT}"))


def _rest(advice: Sequence[DetectedIssue]) -> str:
    severities = [each.severity for each in advice]
    counted = ((severities.count(severity), severity) for severity in ORDER)
    return ", ".join(f"{number} more of {severity}" for number, severity in counted if number)
