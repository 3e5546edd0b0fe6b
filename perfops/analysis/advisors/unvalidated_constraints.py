"""Constraints that were added NOT VALID and never validated."""

from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.states import Unvalidated
from perfops.conf import Conf
from perfops.formatting import identifier

ID = "unvalidated_constraints"
TITLE = "Constraints that were never validated"
NEEDS = ("pg_constraint",)


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    return [_advice(constraint) for constraint in window.after.unvalidated]


def _advice(constraint: Unvalidated) -> DetectedIssue:
    table = identifier(constraint.schema, constraint.table)
    return DetectedIssue(
        advisor=ID,
        object=f"{constraint.schema}.{constraint.table}.{constraint.name}",
        severity="warning",
        title=(
            f"The {constraint.kind} {constraint.name} of {constraint.schema}.{constraint.table} "
            "is not valid"
        ),
        evidence={
            "table": f"{constraint.schema}.{constraint.table}",
            "kind": constraint.kind,
            "definition": constraint.definition,
        },
        why=(
            "New rows are checked, old ones never were: some may break it, and the planner "
            "can't rely on it."
        ),
        remedy=(
            "Repair the rows that break it, then validate it: that reads the table once, and "
            "others go on writing. In Django: ValidateConstraint."
        ),
        statement=f"ALTER TABLE {table} VALIDATE CONSTRAINT {identifier(constraint.name)};",
    )
