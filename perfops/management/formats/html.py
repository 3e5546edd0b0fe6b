"""The report as one HTML file that needs nothing else: no script, no font, no server."""

from django.template.loader import render_to_string

from perfops.analysis.services import Report
from perfops.management.formats import formatting

NAME = "html"


def render(report: Report) -> str:
    return render_to_string(
        "perfops/report.html",
        {
            "name": formatting.name(report),
            "counts": formatting.counts(report),
            "window": formatting.window(report),
            "entries": [
                (each, [(issue, formatting.evidence(issue)) for issue in each.issues])
                for each in formatting.entries(report)
            ],
            "healthy": formatting.healthy(report),
            "unchecked": formatting.unchecked(report),
            "missing": report.window.missing,
        },
    )
