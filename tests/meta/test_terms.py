"""One thing has one name, the one that the field uses: the words that we left stay away.

Each row: what we say, and a pattern of what we do not say where it can't mean anything else.
"""

import re
import subprocess

import pytest
from django.conf import settings

ROWS = {
    "fix, recommendation, remedy": r'(?<!")\b[Mm]end(s|ed|ing)?\b|\bmend_',
    "problem, issue": r"\b[Ii]llness(es)?\b|\bails\b",
    "no problems found": r"\b[Aa]ll is well\b|\b[Nn]othing to mend\b",
    "DetectedIssue": r"\bAdvice\b(?! on| about)|\blist\[Advice\]",
    "run_advisors, AdvisorResults, complete": r"\bconsult(ed|ation)?\b|\bthorough\b",
    "UnavailableSource": r"\bMissing\(|\bSourceMissing\b",
    "Recommendation": r"\bclass (Given|Offer|Refusal|Proved|Advised|Drop)\b|\bIndexAdvice\b",
    "impact": r"\baftermath\b(?!\")",
    "Occurrence": r"\b[Ss]ightings?\b",
    "formatting, formatters": r"\bimport wording\b|wording\.py",
    "timestamps": r"\bimport moments\b|\bmoments\.py\b",
    "base command": r"\bTellingCommand\b|\btelling\.py",
    "CallKey, CallTotals, ScopeCounter": r"\bclass (Sent|Count|Tally)\b|\bTally\b",
    "executions, max_calls_per_execution": r"\bmost_calls\b",
    "validity_errors": r"\bobjections?\b",
    "response time from the scheduled start": r"\bdue time\b",
    "replace_budgets": r"\bsettle\(",
    "cache version, pending": r"\bcache\W+stamps?\b|\bstamps\.py\b|\bimport stamps\b",
    "invalidate": r"\bvoid(s|ed|ing)?\b|\bvoid_on_commit\b|\bVoid\w*\b",
    "CacheRegion, key_prefixes": r"\bKind\(name=|\bfamilies\b|kinds\.every\(",
    "server run id": r"\bAnotherLife\b|\bredis\.life\(",
    "enqueue, flush_invalidations": r"\bowe[sd]?\b|\bdef pay\b",
    "resolve_profile, ProfileAccess, can_edit": r"\bReached\b|\bimport reach\b",
    "Collection": r"\bclass Part\b|profiles/parts\b|profiles\.parts\b",
    "principal": r"\baskers?\b",
    "LogBatcher": r"\bGathered\b",
    "aggregate": r"\bgathering\b",
    "client spans, sampling": r"telemetry[./](leaves|roots)\b",
    "labels, result": r"\btold\b\s*[=,:)\[]|\btold\.\w",
    "from midst.kernel import cache": r"\bcache as kept\b",
}
CODE = (
    "midst", "taxonomy", "profiles", "perfops", "templates", "infra", "docs", "README.md",
    "benchmarks/README.md",
)  # fmt: skip
# A migration keeps the names of its day, a change log the names that went.
KEPT = re.compile(r"/migrations/|\.lock$|\.(png|svg|woff2?)$|/vendor/|(^|/)LICENSE$")


def files() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", *CODE],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.splitlines() if not KEPT.search(name)]


@pytest.mark.parametrize("word", ROWS)
def test_the_words_that_we_left_stay_away(word):
    pattern = re.compile(ROWS[word])
    found = [
        f"{name}:{number}: {line.strip()[:80]}"
        for name in files()
        for number, line in enumerate((settings.BASE_DIR / name).read_text().splitlines(), start=1)
        if pattern.search(line)
    ]
    assert found == [], f"Say {word!r} in:\n" + "\n".join(found)


def test_the_files_are_found():
    assert len(files()) > 300
