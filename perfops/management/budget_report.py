"""What ``check_budget`` found, as JSON, markdown and JUnit. The schema of the JSON is beside it."""

from dataclasses import asdict, dataclass, field
from typing import Any
from xml.etree import ElementTree as ET

from perfops.budgets.against.attribution import Cause
from perfops.budgets.selectors import Judgement
from perfops.formatting import visible
from perfops.management import console
from perfops.management.formats.markdown import plain
from perfops.management.report import judgements_as_data
from perfops.models.budgets import Evaluation
from perfops.models.runs import LoadRun

Outcome = Evaluation.Outcome
WORDS = {console.FINE: "PASS", console.NOT_FINE: "FAIL", console.COULD_NOT_TELL: "COULD NOT TELL"}
_JSON_VERDICTS = {
    console.FINE: "pass", console.NOT_FINE: "fail", console.COULD_NOT_TELL: "inconclusive",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class BudgetReport:
    """``code``: the exit code; ``reasons``: the sentences behind it; ``run``: None for no run."""

    run: LoadRun | None
    code: int
    reasons: list[str]
    judgements: list[Judgement]
    subject: str = "Budgets"
    causes: list[Cause] = field(default_factory=list)

    @property
    def title(self) -> str:
        if self.run is None:
            return self.subject
        return f"{self.subject} of run {self.run.pk} ({self.run.scenario})"


def code_of(judgements: list[Judgement]) -> int:
    """Return the exit code that figures lead to: one that is unknown, or none, is no pass."""
    outcomes = {each.outcome for each in judgements if not each.is_waived}
    if Outcome.VIOLATED in outcomes:
        return console.NOT_FINE
    return console.COULD_NOT_TELL if Outcome.UNKNOWN in outcomes or not judgements else console.FINE


def as_data(report: BudgetReport) -> dict[str, Any]:
    """Return the report as ``check_budget.schema.json`` describes it."""
    return {
        "run": report.run.pk if report.run else None,
        "verdict": _JSON_VERDICTS[report.code],
        "exit_code": report.code,
        "reasons": report.reasons,
        "budgets": judgements_as_data(report.judgements),
        "causes": [asdict(each) for each in report.causes],
    }


def as_markdown(report: BudgetReport) -> str:
    """Return the report with its verdict first, for a comment on a change."""
    lines = [f"## {WORDS[report.code]}: {plain(report.title)}", ""]
    lines += [f"- {plain(reason)}" for reason in report.reasons]
    if report.judgements:
        lines += ["", "| budget | value | target | threshold | margin | outcome |"]
        lines += ["|---|---:|---:|---:|---:|---|"]
    for each in report.judgements:
        cells = (
            each.name, each.value_text, each.target_text, each.threshold_text, each.margin_text,
            f"{each.label}: {each.reason}" if each.reason else each.label,
        )  # fmt: skip
        lines.append(f"| {' | '.join(map(plain, cells))} |")
    for cause in report.causes:
        lines += ["", f"### Why {plain(cause.route)} costs more: {plain(cause.what)}", ""]
        lines += [f"- {plain(line)}" for line in cause_lines(cause)]
    return "\n".join(lines) + "\n"


def cause_lines(cause: Cause) -> list[str]:
    """Return what a reader needs to find it, a line each: statement, line, files, commits."""
    added = "" if cause.ms is None else f" ({cause.ms:+,.1f} ms a request)"
    return [
        *([f"{cause.statement}{added}"] if cause.statement else []),
        *([f"{'sent at' if cause.statement else 'in'} {cause.site}"] if cause.site else []),
        *([f"changed: {', '.join(cause.files)}"] if cause.files else []),
        *cause.commits,
    ]


def as_junit(report: BudgetReport) -> str:
    """Return a JUnit suite: a case for the verdict and one for each budget.

    What could not be told is an error, and a violation of a budget that only warns is a pass with
    its text: a CI that reads the file comes to the same end as the exit code.
    """
    suite = ET.Element("testsuite", name=report.title)
    verdict = ET.SubElement(suite, "testcase", classname="perfops", name="verdict")
    if report.code != console.FINE:
        kind = "failure" if report.code == console.NOT_FINE else "error"
        _explain(verdict, kind, " ".join(report.reasons))
    for each in report.judgements:
        case = ET.SubElement(suite, "testcase", classname="perfops", name=each.name)
        text = f"{each.value_text}; it must be {each.threshold_text}. {each.reason}".strip()
        is_gate = each.action == "fail" and not each.is_waived
        if each.outcome == Outcome.VIOLATED and is_gate:
            _explain(case, "failure", text)
        elif each.outcome == Outcome.UNKNOWN and is_gate:
            _explain(case, "error", each.reason)
        else:
            ET.SubElement(case, "system-out").text = f"{each.label}: {text}"
    for cause in report.causes:
        case = ET.SubElement(
            suite, "testcase", classname="perfops", name=f"cause: {cause.route}, {cause.what}"
        )
        ET.SubElement(case, "system-out").text = "\n".join(cause_lines(cause))
    for kind, name in (("failure", "failures"), ("error", "errors"), ("testcase", "tests")):
        suite.set(name, str(sum(1 for _ in suite.iter(kind))))
    return visible(ET.tostring(suite, encoding="unicode", xml_declaration=True)) + "\n"


def _explain(case: ET.Element, kind: str, text: str) -> None:
    ET.SubElement(case, kind, message=text)
