"""action.yml: its step is a script that ends as check_budget does, and never passes by mistake."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from django.core.management import load_command_class

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
SCRIPT = ROOT / ".ci/check-budget"


def act(folder, code, *, prints="## PASS: fine", **inputs):
    """Run the step with a manage.py that ends with ``code``; return what it said, and was given."""
    manage = folder / "manage"
    manage.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" > {folder}/given\nprintf "%s" "{prints}"\nexit {code}\n'
    )
    manage.chmod(0o755)
    names = {"GITHUB_STEP_SUMMARY": "summary", "GITHUB_OUTPUT": "output", "REPORT": "report"}
    files = {name: str(folder / file) for name, file in names.items()}
    done = subprocess.run(
        [SCRIPT], env={"PATH": os.environ["PATH"], "COMMAND": str(manage), **files, **inputs},
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done, (folder / "given").read_text().splitlines()


@pytest.mark.parametrize(
    ("code", "prints", "ends", "verdict"),
    [
        (0, "## PASS: fine", 0, "pass"),
        (1, "## FAIL: more", 1, "fail"),
        (2, "## INCONCLUSIVE", 2, "inconclusive"),
        # Killed, or broken off before it judged.
        (137, "", 2, "inconclusive"),
        (0, "", 2, "inconclusive"),
        (1, "", 2, "inconclusive"),
    ],
)
def test_the_step_ends_as_the_command_does(tmp_path, code, prints, ends, verdict):
    done, _ = act(tmp_path, code, prints=prints)
    assert done.returncode == ends
    assert f"verdict={verdict}\n" in (tmp_path / "output").read_text()
    assert (tmp_path / "summary").read_text() == prints


@pytest.mark.parametrize(
    "inputs", [{}, {"BASELINE": "a file.json"}, {"AGAINST_REF": "$(touch x)", "FORMAT": "json"}]
)
def test_check_budget_knows_what_it_is_given(tmp_path, inputs):
    _, given = act(tmp_path, 0, **inputs)
    command = load_command_class("perfops", given[0])
    options = command.create_parser("manage.py", given[0]).parse_args(given[1:])
    assert options.format == inputs.get("FORMAT", "markdown")
    if "AGAINST_REF" in inputs:
        assert options.against == "$(touch x)"
        assert not (tmp_path / "x").exists()
    else:
        assert options.deterministic
        assert str(options.baseline) == inputs.get("BASELINE", "perfops-counts.json")


def test_every_input_reaches_the_script_and_is_documented():
    (step,) = ACTION["runs"]["steps"]
    assert step["run"] == '"$GITHUB_ACTION_PATH/.ci/check-budget"'
    passed = {re.fullmatch(r"\${{ inputs\.(\S+) }}", each)[1] for each in step["env"].values()}
    assert passed == set(ACTION["inputs"])
    documented = (ROOT / "docs/regressions.md").read_text()
    assert [
        name for name in [*ACTION["inputs"], *ACTION["outputs"]] if f"`{name}`" not in documented
    ] == []
