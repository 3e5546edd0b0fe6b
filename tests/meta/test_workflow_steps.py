"""What CI does can be done anywhere, and what it finds decides."""

import re

from django.conf import settings

WORKFLOW = (settings.BASE_DIR / ".github" / "workflows" / "performance.yml").read_text()
MAKEFILE = (settings.BASE_DIR / "Makefile").read_text()
STEPS = (settings.BASE_DIR / ".ci" / "performance").read_text()


def test_every_step_of_the_workflow_is_one_of_the_script():
    used = set(re.findall(r"run: \.ci/performance (\w+)", WORKFLOW))
    assert {"start", "load", "budgets", "counts", "against", "analysis", "summary"} <= used
    assert used <= set(re.findall(r"^(\w+)\(\) \{", STEPS, re.MULTILINE))


def test_every_step_is_explained_by_the_script_and_in_the_docs():
    steps = re.findall(r"^(\w+)\(\) \{", STEPS, re.MULTILINE)
    assert steps == re.findall(r"^(\w+)\(\) \{ # .", STEPS, re.MULTILINE)
    offered = re.search(r"^  ([\w |]+)\) \"\$@\" ;;", STEPS, re.MULTILINE)[1]
    assert set(offered.split(" | ")) == set(steps)
    documented = (settings.BASE_DIR / "docs" / "regressions.md").read_text()
    assert [step for step in steps if f"| `{step}" not in documented] == []


def test_no_step_is_let_off():
    for let_off in ("continue-on-error", "|| true", "|| :", "set +e"):
        assert let_off not in WORKFLOW
        assert let_off not in STEPS


def test_results_are_kept_for_thirty_days():
    assert set(re.findall(r"retention-days: (\d+)", WORKFLOW)) == {"30"}
    assert WORKFLOW.count("upload-artifact@") == WORKFLOW.count("retention-days")


def test_no_step_that_judges_ends_as_make_does():
    # Which is 2 (can't tell) for whatever its command ends with, also 1 (fail).
    steps = re.findall(r"^(\w+)\(\) \{(.*?)^\}", STEPS, re.MULTILINE | re.DOTALL)
    by_make = [name for name, body in steps if re.search(r"^ *[^# ].*\bmake\b", body, re.MULTILINE)]
    # What `start` begins stays in the background.
    assert by_make == ["start"]


def test_counts_are_those_of_make():
    counted = " ".join(
        re.search(r"check_budget (--deterministic.*?) --format", STEPS, re.S)[1].split()
    )
    of_make = re.search(r"check_budget (--deterministic.*?) --format", MAKEFILE)[1]
    assert counted.replace("\\ ", "") == of_make
