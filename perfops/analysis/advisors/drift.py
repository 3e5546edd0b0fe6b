"""What the models declare and the database lacks, and the reverse."""

from perfops.analysis.advisors.detection import DetectedIssue, SeverityName
from perfops.analysis.collectors.difference import Window
from perfops.analysis.drift import Drift
from perfops.conf import Conf

ID = "drift"
TITLE = "Models and database differ"
NEEDS = ("models and migrations",)

_SEVERITIES: dict[tuple[str, str], SeverityName] = {
    ("table", "missing"): "error",
    ("column", "missing"): "error",
    ("index", "missing"): "warning",
    ("constraint", "missing"): "warning",
    ("migration", "missing"): "warning",
    ("migration", "extra"): "warning",
}
_WHY = {
    "table": "Every query of the model fails.",
    "column": "Every query of the model fails.",
    "index": "Queries that were made with it in mind read the whole table.",
    "constraint": "Rows that the application takes to be impossible can be written.",
}
_NOT_APPLIED = (
    "The code expects what they make: queries fail, or are slow without an index. During a deploy "
    "this passes."
)
_UNKNOWN = (
    "The database is of newer code than this, or of another branch: what they made is declared by "
    "no model here."
)


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    missing = (e for e in window.drift if e.side == "missing" and e.kind != "migration")
    return [*map(_missing, missing), *_together(window.drift)]


def _missing(each: Drift) -> DetectedIssue:
    what = each.name if each.kind == "table" else f"{each.name} of {each.table}"
    return DetectedIssue(
        advisor=ID,
        object=f"{each.table}.{each.name}",
        subject=f"{each.kind}\0{each.table}\0{each.name}",
        severity=_SEVERITIES[each.kind, "missing"],
        title=f"The {each.kind} {what} is declared by {each.model} and not in the database",
        evidence={"model": each.model, "table": each.table, each.kind: each.name},
        why=_WHY[each.kind],
        remedy=(
            "Find who dropped it, then make it again. Its migration counts as applied, so migrate "
            "does nothing."
        ),
        statement=each.statement,
    )


def _together(drift: tuple[Drift, ...]) -> list[DetectedIssue]:
    """One issue for the migrations of an app, and one for what a table has beside its model."""
    groups: dict[tuple[str, str, str], list[Drift]] = {}
    for each in drift:
        if each.kind == "migration" or each.side == "extra":
            kind = each.kind if each.kind == "migration" else "extra"
            groups.setdefault((kind, each.side, each.table), []).append(each)
    return [
        _migrations(side, table, its) if kind == "migration" else _extra(table, its)
        for (kind, side, table), its in groups.items()
    ]


def _migrations(side: str, app: str, its: list[Drift]) -> DetectedIssue:
    names = ", ".join(each.name for each in its)
    is_missing = side == "missing"
    what = "not applied" if is_missing else "applied, and no file has them"
    return DetectedIssue(
        advisor=ID,
        object=f"migrations of {app}",
        subject=f"migration\0{side}\0{app}",
        severity=_SEVERITIES["migration", side],
        title=f"Migrations of {app} are {what}: {names}",
        evidence={"app": app, "migrations": names},
        why=_NOT_APPLIED if is_missing else _UNKNOWN,
        remedy=(
            "Run manage.py migrate."
            if is_missing
            else "Deploy the code that has them; or, where they were deleted, make their changes "
            "known to the migrations that are left and delete their rows in django_migrations."
        ),
    )


def _extra(table: str, its: list[Drift]) -> DetectedIssue:
    names = ", ".join(f"{each.kind} {each.name}" for each in its)
    return DetectedIssue(
        advisor=ID,
        object=table,
        subject=f"extra\0{table}",
        severity="info",
        title=f"{table} has what {its[0].model} does not declare: {names}",
        evidence={"model": its[0].model, "not declared": names},
        why="Nobody who reads the models knows of it, and a new database does not get it.",
        remedy="Declare it in the model (with SeparateDatabaseAndState), or drop it.",
    )
