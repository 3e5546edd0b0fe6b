"""The report in a terminal: the worst first, read in ten seconds."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from perfops.analysis.advisors.detection import ORDER
from perfops.analysis.services import Report
from perfops.formatting import count_text, ms_text
from perfops.management import console
from perfops.management.formats import formatting
from perfops.management.formats.formatting import Entry

# That many are told in full, some more in a line each, the rest as a number.
_IN_FULL = 6
_LINES = 12
_APART = 4
_SCOPES = 8
_INDENT = " " * 11
_ELSEWHERE = "--format markdown, or the admin"
# Too long for a line that one reads at a glance.
_LONG = {"definition", "other definition"}

NAME = "text"


def render(report: Report) -> str:
    out = console.out()
    with out.capture() as captured:
        _print(report, out)
    return captured.get()


def _print(report: Report, out: Console) -> None:
    out.print(f"\n[bold]{_plain(formatting.name(report))}[/bold]")
    out.print(f"  {formatting.counts(report)}; {_plain(formatting.window(report))}\n")
    entries = formatting.entries(report)
    _entries(entries, report, out)
    if not entries:
        healthy = formatting.healthy(report)
        out.print(f"  {healthy[0].upper()}{healthy[1:]}.")
    _scopes(report, out)
    for sentence in formatting.unchecked(report):
        out.print(f"  [yellow]not checked[/yellow]  {_plain(sentence)}")
    for missing in report.window.missing:
        out.print(f"  [yellow]missing[/yellow]  {_plain(missing.source)}: {_plain(missing.reason)}")
        out.print(f"{_INDENT}[dim]{_plain(missing.cost)}[/dim]")
        if missing.remedy:
            out.print(f"{_INDENT}[bold]{_statement(missing.remedy)}[/bold]")


def _scopes(report: Report, out: Console) -> None:
    shown = report.window.scopes[:_SCOPES]
    if shown:
        out.print("\n  Statements per request, task and command, of those that send any:")
    for each in shown:
        again = each.repeated_per_execution
        most = f"at most {each.max_calls_per_execution:,}"
        repeated = f", {again:,.1f} of them repeated" if again else ""
        out.print(
            f"  {each.calls_per_execution:8,.1f}  {_plain(each.name)} [dim]({most}{repeated}; "
            f"{count_text(each.executions, each.kind)}, "
            f"{ms_text(each.ms_per_execution)} each)[/dim]"
        )
    if len(report.window.scopes) > _SCOPES:
        out.print(f"  ... and {len(report.window.scopes) - _SCOPES:,} with fewer.")


def _entries(entries: Sequence[Entry], report: Report, out: Console) -> None:
    ours = [each for each in entries if not each.apart]
    apart = [each for each in entries if each.apart]
    for each in ours[:_IN_FULL]:
        _in_full(each, report, out)
    for each in ours[_IN_FULL:_LINES]:
        out.print(_first_line(each))
    if len(ours) > _LINES:
        out.print(f"  ... and {_rest(ours[_LINES:])}: {_ELSEWHERE}.")
    if apart:
        out.print("  [dim]Set apart, as it is not the application's work:[/dim]")
    for each in apart[:_APART]:
        out.print(f"{_first_line(each)} [dim]({each.apart})[/dim]")
        for statement in dict.fromkeys(issue.statement for issue in each.issues[:_APART]):
            if statement:
                out.print(f"{_INDENT}[bold]{_statement(statement)}[/bold]")
    if len(apart) > _APART:
        out.print(f"  ... and {_rest(apart[_APART:])}.")


def _first_line(entry: Entry) -> str:
    impact = f" [dim]({entry.impact})[/dim]" if entry.impact else ""
    severity = console.coloured(f"{entry.severity:7}", entry.severity)
    return f"  {severity}  {_plain(entry.title)}{impact}"


def _in_full(entry: Entry, report: Report, out: Console) -> None:
    """Of an incident its worst issue, and the titles of the others; of many of one kind a line."""
    out.print(_first_line(entry))
    if entry.is_folded:
        remedies = {issue.remedy for issue in entry.issues}
        own = f"Each has a remedy of its own: {_ELSEWHERE}."
        out.print(f"{_INDENT}{_plain(remedies.pop() if len(remedies) == 1 else own)}")
        return
    advice, *others = entry.issues
    evidence = ", ".join(
        f"{label} {value}" for label, value in formatting.evidence(advice) if label not in _LONG
    )
    out.print(f"{_INDENT}[dim]{_plain(evidence)}[/dim]")
    if senders := formatting.senders(advice, report):
        out.print(f"{_INDENT}[dim]sent by {_plain('; '.join(senders))}[/dim]")
    out.print(f"{_INDENT}{_plain(advice.remedy)}")
    if advice.statement:
        out.print(f"{_INDENT}[bold]{_statement(advice.statement)}[/bold]")
    for other in others:
        out.print(f"{_INDENT}with it: {_plain(other.title)}")
        if other.statement and other.statement != advice.statement:
            out.print(f"{_INDENT}[bold]{_statement(other.statement)}[/bold]")


def _plain(text: str) -> str:
    """A name may hold line breaks; nothing may look like a line of ours."""
    return escape(" ".join(text.split()))


def _statement(text: str) -> str:
    return escape(text.replace("\n", f"\n{_INDENT}"))


def _rest(advice: Sequence[Entry]) -> str:
    severities = [each.severity for each in advice]
    counted = ((severities.count(severity), severity) for severity in ORDER)
    return ", ".join(f"{number} more of {severity}" for number, severity in counted if number)
