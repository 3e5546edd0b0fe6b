"""An output format of another app: the titles, one to a line."""

NAME = "titles"


def render(report):
    return "\n".join(issue.title for issue in report.issues)
