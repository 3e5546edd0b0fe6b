"""An option that the chosen way of judging would not read is refused, before anything runs."""

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("words", "answer"),
    [("--run 0", "There is no load run yet"), ("--against=", "There is no commit")],
)
def test_an_empty_value_is_no_other_way_of_judging(words, answer, capsys):
    with pytest.raises(SystemExit) as ended:
        call_command("check_budget", *words.split())
    assert ended.value.code == 2
    assert answer in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "ignored"),
    [
        ("--against HEAD --executed file.json", "--executed would be ignored with --against"),
        ("--against HEAD --deterministic", "--deterministic would be ignored with --against"),
        ("--against HEAD --user reader --since HEAD", "--since, --user would be ignored"),
        ("--against HEAD --run 1", "--run would be ignored with --against"),
        ("--bisect HEAD~1 HEAD --against HEAD", "--against would be ignored with --bisect"),
        ("--bisect HEAD~1 HEAD --executed file.json", "--executed would be ignored with --bisect"),
        ("--deterministic --rate 5", "--rate would be ignored with --deterministic"),
        ("--update --scenario smoke", "--scenario would be ignored with --update"),
        ("--run 1 --scenario smoke", "--scenario would be ignored with --run"),
        ("--executed file.json", "--executed would be ignored without"),
        ("--pairs 3", "--pairs would be ignored without"),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(words, ignored):
    with pytest.raises(CommandError, match=ignored) as refused:
        call_command("check_budget", *words.split())
    assert refused.value.returncode == 2
