"""What the reports of faults become in docs/operations.md: each promise is held against figures."""

import random
from typing import Any

import pytest

from tests.containers import report
from tests.containers.faults import KINDS, order
from tests.containers.stack import FAULTED

GOOD = {
    "seconds": 640, "requests": 7000, "failed": 0, "refused": 3, "stale": 0, "written": 900,
    "lost": 0, "p95_ms": 120, "slowest_s": 10.9, "sent_again": 5, "read_again": 2, "replayed": 1,
    "twice": 0, "bad": {},
}  # fmt: skip
WHERE = {"when": "2026-11-28 15:00 UTC", "cores": 2, "load_before": 0.3, "engine": "podman 4.3.1"}


def fault(service: str, **errors: int) -> dict[str, Any]:
    bad = {f"{how} GET https://localhost/api/v1/profiles 503": n for how, n in errors.items()}
    return {"service": service, "kind": "killed", "began": 1.0, "well_after_s": 2.5, "errors": bad}


def chaos(*faults: dict[str, Any], **felt: int) -> dict[str, Any]:
    calm = [fault(service) for service in FAULTED if service not in {e["service"] for e in faults}]
    return {
        "what": "chaos", **WHERE, "seed": 7, "alerts": ["WebDown (firing)", "BeatLate (pending)"],
        "felt": {**GOOD, **felt}, "faults": [*calm, *faults],
    }  # fmt: skip


def broken(found: dict[str, Any]) -> list[str]:
    return [what for good, what in report.promises(found) if not good]


def test_all_holds_when_the_database_alone_was_missed() -> None:
    assert broken(chaos(fault("postgres", refused=3))) == []


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (chaos(lost=2), "acknowledged writes lost: 2 of 900"),
        (chaos(stale=1), "stale reads: 1"),
        (chaos(twice=1), "done twice: 1, sent again: 5 writes (1 were done), 2 reads"),
        (chaos(fault("web", failed=4), failed=4), "web 4"),
        (chaos(fault("redis", refused=3)), "503 at other times: 3"),
        (chaos({**fault("beat"), "well_after_s": None}), "all but beat killed"),
    ],
)
def test_each_promise_that_is_broken_is_named(found: dict[str, Any], why: str) -> None:
    (what,) = broken(found)
    assert why in what


def test_a_service_without_a_fault_is_named() -> None:
    found = chaos()
    found["faults"] = [each for each in found["faults"] if each["service"] != "jaeger"]
    assert broken(found) == ["faults of every service: all but jaeger"]


def test_every_service_has_its_fault_before_any_comes_again() -> None:
    faults = order(random.Random(1))
    for _ in range(2):
        services, kinds = zip(*(next(faults) for _ in FAULTED), strict=True)
        assert sorted(services) == sorted(FAULTED)
        assert set(kinds) <= set(KINDS)


def test_a_report_replaces_what_stood_in_its_place() -> None:
    page = "a\n<!-- each -->\nold\n<!-- /each -->\nb\n<!-- chaos -->\nold\n<!-- /chaos -->\nc\n"
    single = {**fault("redis", refused=3), "again": 4, "alerts": None}
    page = report.written(page, {"what": "each", **WHERE, "felt": GOOD, "faults": [single]})
    page = report.written(page, chaos(fault("web", failed=4), failed=4))
    assert "\nold\n" not in page
    assert "| redis | killed | 0 | 3 | 4 | 2.5 | not known: Prometheus was away |" in page
    assert "- held: stale reads: 0" in page
    assert "**did not hold**: errors only while PostgreSQL was away" in page
    assert "Fired: WebDown." in page
    assert page.startswith("a\n<!-- each -->")
    assert page.endswith("<!-- /chaos -->\nc\n")
    with pytest.raises(ValueError, match="no place for chaos"):
        report.written("", chaos())


def test_the_page_has_a_place_for_both() -> None:
    for kind in ("each", "chaos"):
        assert report.PAGE.read_text().count(f"<!-- {kind} -->") == 1
