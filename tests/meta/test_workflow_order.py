"""The steps of the performance workflow in their order, as GitHub runs them, over stubs of what is
outside of them: make, curl, gh and manage.py say that they were called, and fail if they are asked.
"""

import os
import shutil
import subprocess

import pytest
import yaml
from django.conf import settings

WORKFLOW = settings.BASE_DIR / ".github" / "workflows" / "performance.yml"
JOBS = yaml.safe_load(WORKFLOW.read_text())["jobs"]
STUB = """#!/bin/sh
what="$(basename "$0") $*"
echo "$what" >> "$CALLED"
if [ -n "$FAILS" ]; then case "$what" in *"$FAILS"*) exit 1 ;; esac; fi
case "$what" in *"make run"*) echo "Ctrl-C ends it"; sleep 1 ;; *) echo "## $what" ;; esac
"""
SMOKE = (
    "make run", "run_load_test smoke", "check_budget --scenario smoke",
    "check_budget --deterministic", "analyze_db", "/metrics", "gh pr comment",
)  # fmt: skip
STRESS = (
    "make run", "loaddata", "run_load_test stress", "check_budget --scenario stress", "dumpdata",
    "analyze_db", "/metrics",
)  # fmt: skip
AGAINST = ("make up", "migrate --no-input", "check_budget --against HEAD~1")


@pytest.fixture
def run_job(tmp_path):
    """Return a function that runs a job in a folder of its own: (ended well, calls, summary)."""

    def run(job, fails=""):
        folder = tmp_path / f"{job}{len(list(tmp_path.iterdir()))}"
        (folder / ".venv" / "bin").mkdir(parents=True)
        (folder / ".midst" / "logs").mkdir(parents=True)
        (folder / "history").mkdir()
        (folder / "history" / "runs.json.gz").touch()
        shutil.copytree(settings.BASE_DIR / ".ci", folder / ".ci")
        for stub in ("bin/make", "bin/curl", "bin/gh", ".venv/bin/python"):
            (folder / stub).parent.mkdir(exist_ok=True)
            (folder / stub).write_text(STUB)
            (folder / stub).chmod(0o755)
        called, summary = folder / "called", folder / "summary"
        called.touch()
        environment = {
            **os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "FAILS": fails,
            "CALLED": str(called), "GITHUB_STEP_SUMMARY": str(summary), "REF": "HEAD~1",
            "NUMBER": "7", "REPORTS": "reports",
        }  # fmt: skip
        is_well = True
        for step in JOBS[job]["steps"]:
            runs = step.get("run", "")
            is_asked = is_well or "!cancelled()" in step.get("if", "")
            # The commit before is git's to say.
            if not runs or "git rev" in runs or not is_asked:
                continue
            # As GitHub's runner starts it.
            done = subprocess.run(
                ["bash", "-e", "-o", "pipefail", "-c", runs], cwd=folder, env=environment,
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            is_well = is_well and done.returncode == 0
        written = summary.read_text() if summary.exists() else ""
        return is_well, called.read_text(), written, {p.name for p in folder.glob("reports/*")}

    return run


@pytest.mark.parametrize(
    ("job", "calls"), [("smoke", SMOKE), ("against", AGAINST), ("stress", STRESS)]
)
def test_the_steps_run_in_order_and_the_summary_has_the_verdicts_first(run_job, job, calls):
    is_well, called, summary, reports = run_job(job)
    assert is_well
    places = [called.find(call) for call in calls]
    assert -1 not in places, called
    assert places == sorted(places)
    lines = summary.splitlines()
    assert lines[0] == "# Performance"
    assert lines[2].startswith("- python manage.py check_budget")
    assert "summary.md" in reports
    if job != "against":
        assert {"logs", "metrics.txt", "analysis.json", f"run-{job}.json"} <= reports


@pytest.mark.parametrize("fails", SMOKE)
def test_a_step_that_fails_fails_the_job_and_what_can_still_be_said_is_said(run_job, fails):
    is_well, called, summary, _ = run_job("smoke", fails)
    assert not is_well
    assert summary.startswith("# Performance")
    assert "check_budget --deterministic" in called
    # Without a stack there is no load.
    assert ("run_load_test" in called) == (fails != "make run")


@pytest.mark.parametrize("fails", AGAINST)
def test_a_comparison_that_fails_fails_the_job(run_job, fails):
    is_well, _, _, _ = run_job("against", fails)
    assert not is_well
