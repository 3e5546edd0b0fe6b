"""`manage.py budget_rules`: the budgets' rules on stdout, in a file, or compared with one."""

import json

import pytest
import yaml
from django.core.management import CommandError, call_command

from perfops.budgets.selectors import rules
from perfops.models import Budget

pytestmark = pytest.mark.django_db


def test_it_prints_them(capsys):
    call_command("budget_rules")
    assert capsys.readouterr().out == rules()
    call_command("budget_rules", "--format", "json")
    assert json.loads(capsys.readouterr().out) == yaml.safe_load(rules())


def test_a_file_it_wrote_is_in_step_until_a_budget_changes(tmp_path, capsys):
    path = tmp_path / "budgets.yml"
    call_command("budget_rules", output=path)
    call_command("budget_rules", check=path, format="json")
    assert json.loads(capsys.readouterr().out) == {"file": str(path), "in_step": True}
    Budget.objects.filter(metric="error_rate").update(threshold=0.02)
    with pytest.raises(SystemExit) as ended:
        call_command("budget_rules", check=path)
    assert ended.value.code == 1
    assert f"manage.py budget_rules --output {path}" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path):
    path = tmp_path / "nowhere" / "budgets.yml"
    with pytest.raises(CommandError, match=r"nowhere/budgets.yml: No such file"):
        call_command("budget_rules", output=path)
