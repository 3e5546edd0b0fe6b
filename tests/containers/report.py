"""Write the tables of docs/operations.md from what ``python -m tests.containers faults`` measured.

    python -m tests.containers.report EACH.json CHAOS.json

replaces what stands between the marks of each kind, one report or both. What was promised and
did not hold stands there as well.
"""

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.containers.stack import FAULTED

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
# While these are away, web can't answer: it says so, with 503 and Retry-After.
DATABASE = {"postgres", "pgbouncer"}
Fault = dict[str, Any]


def counted(fault: Fault, how: str) -> int:
    """Return how many answers were bad in that way: ``failed`` or ``refused``."""
    return sum(n for what, n in fault["errors"].items() if what.startswith(f"{how} "))


def well(faults: Iterable[Fault]) -> str:
    """Return the longest time until all was well again, in seconds, or ``never``."""
    seconds = [fault["well_after_s"] for fault in faults]
    return "never" if None in seconds else str(max(seconds))


def again(felt: dict[str, Any]) -> str:
    """Return how often clients sent again what had got no answer."""
    return f"{felt['sent_again']} writes ({felt['replayed']} were done), {felt['read_again']} reads"


def fired(alerts: list[str] | None) -> str:
    if alerts is None:
        return "not known: Prometheus was away"
    return ", ".join(each.partition(" ")[0] for each in alerts if "firing" in each) or "none"


def head(report: dict[str, Any]) -> str:
    return (
        f"{report['when']}, {report['cores']} cores (load average before:"
        f" {report['load_before']}), {report['engine']}."
    )


def table(columns: str, rows: Iterable[Iterable[object]]) -> list[str]:
    names = columns.split(", ")
    lines = [names, ["---"] * len(names), *rows]
    return [f"| {' | '.join(map(str, line))} |".replace("| --- ", "|---") for line in lines]


def each(report: dict[str, Any]) -> str:
    """Return the promises with their figures, and the table of single faults."""
    rows = [
        (
            fault["service"], fault["kind"], counted(fault, "failed"), counted(fault, "refused"),
            fault["again"], well([fault]), fired(fault["alerts"]),
        )
        for fault in report["faults"]
    ]  # fmt: skip
    columns = (
        "service, fault, failed, 503 with Retry-After, sent again, well again after (s), alerts"
    )
    return "\n".join(
        [f"{head(report)} {run(report)}", "", *held(report), "", *table(columns, rows)]
    )


def run(report: dict[str, Any]) -> str:
    """Return how long clients asked, how often, and how fast they were answered."""
    felt = report["felt"]
    return (
        f"{felt['seconds']} s, {len(report['faults'])} faults, {felt['requests']} requests,"
        f" p95 {felt['p95_ms']} ms, slowest {felt['slowest_s']} s."
    )


def held(report: dict[str, Any]) -> list[str]:
    return [
        f"- {'held' if good else '**did not hold**'}: {what}" for good, what in promises(report)
    ]


def promises(report: dict[str, Any]) -> list[tuple[bool, str]]:
    """Return for each promise whether it held, and the figures."""
    felt, faults = report["felt"], report["faults"]
    elsewhere = [fault for fault in faults if fault["service"] not in DATABASE]
    failed = {fault["service"]: 0 for fault in faults}
    for fault in faults:
        failed[fault["service"]] += counted(fault, "failed")
    refused = sum(counted(fault, "refused") for fault in elsewhere)
    ill = [f"{fault['service']} {fault['kind']}" for fault in faults if well([fault]) == "never"]
    missing = sorted(set(FAULTED) - set(failed))
    where = ", ".join(f"{name} {n}" for name, n in sorted(failed.items()) if n)
    errors = (
        "errors only while PostgreSQL was away, as 503 with Retry-After:"
        f" {felt['refused'] - refused} such; others: {felt['failed'] + refused}"
        f" ({where or 'none failed'}; 503 at other times: {refused})"
    )
    return [
        (not felt["lost"], f"acknowledged writes lost: {felt['lost']} of {felt['written']}"),
        (not felt["twice"], f"writes done twice: {felt['twice']}, sent again: {again(felt)}"),
        (not felt["stale"], f"stale reads: {felt['stale']}"),
        (not felt["failed"] and not refused, errors),
        (not ill, f"recovered by itself: all but {', '.join(ill) or 'none'}"),
        (not missing, f"faults of every service: all but {', '.join(missing) or 'none'}"),
    ]


def chaos(report: dict[str, Any]) -> str:
    """Return the promises with their figures, and the table by service."""
    faults = report["faults"]
    services = sorted({fault["service"] for fault in faults})
    of = {name: [each for each in faults if each["service"] == name] for name in services}
    rows = [
        (
            name, ", ".join(each["kind"] for each in of[name]),
            sum(counted(each, "failed") for each in of[name]),
            sum(counted(each, "refused") for each in of[name]), well(of[name]),
        )
        for name in services
    ]  # fmt: skip
    columns = "service, faults, failed, 503 with Retry-After, well again after at most (s)"
    fires = f"Seed {report['seed']}. Fired: {fired(report['alerts'])}."
    what = f"{head(report)} {run(report)} {fires}"
    return "\n".join([what, "", *held(report), "", *table(columns, rows)])


def written(page: str, report: dict[str, Any]) -> str:
    """Return the page with this report in its place. Raises ``ValueError`` without the marks."""
    kind = report["what"]
    text = each(report) if kind == "each" else chaos(report)
    found, n = re.subn(
        rf"(<!-- {kind} -->\n).*?(<!-- /{kind} -->)",
        lambda marks: f"{marks[1]}{text}\n{marks[2]}",
        page,
        flags=re.S,
    )
    if n != 1:
        raise ValueError(f"the page has no place for {kind}")
    return found


def main(*reports: str) -> None:
    for name in reports:
        report = json.loads(Path(name).read_text())
        PAGE.write_text(written(PAGE.read_text(), report))
        for good, what in promises(report):
            sys.stdout.write(f"{'held' if good else 'DID NOT HOLD'}: {what}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
