"""What holds for every command: examples that work, --format, a wrong name says what there is."""

import io
import json
import re
import shlex
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command, get_commands, load_command_class

from perfops.models import Analysis, LoadRun
from tests.meta.test_everything_has_a_test import OURS

COMMANDS = {
    path.stem: app.name
    for app in OURS
    for path in (Path(app.path) / "management" / "commands").glob("[a-z]*.py")
}
# It serves until it is ended, and prints nothing.
WITHOUT_FORMAT = {"metrics_server"}


def parser_of(name):
    return load_command_class(COMMANDS[name], name).create_parser("manage.py", name)


def examples_of(name):
    """Return the words of each example, as a shell takes them up to a redirection."""
    lines = parser_of(name).epilog.removeprefix("examples:\n").splitlines()
    found = []
    for line in lines:
        command = re.split(r"\s{2,}| [<>] | && ", line.strip())[0]
        found.append(shlex.split(command.partition("manage.py ")[2]))
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_each_example_of_the_help_is_a_call_that_the_command_takes(name):
    assert COMMANDS[name] == get_commands()[name]
    found = examples_of(name)
    assert found, "Give it examples."
    for first, *words in found:
        assert first == name
        parser_of(name).parse_args(words)
    assert "examples:\n  " in parser_of(name).format_help()


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - WITHOUT_FORMAT))
def test_what_is_printed_is_there_for_programs_too(name):
    parsers = {name: parser_of(name)}
    if name == "stack":
        (verbs,) = [each for each in parsers[name]._actions if each.dest == "verb"]
        # It hands on what the programs say that it starts.
        parsers = {verb: each for verb, each in verbs.choices.items() if verb != "run"}
    for each in parsers.values():
        (format_,) = [option for option in each._actions if option.dest == "format"]
        assert {"text", "json"} <= set(format_.choices)


def called(*words):
    """Return the exit code and all that a person is shown."""
    try:
        call_command(*words)
    except SystemExit as ended:
        return ended.code
    except CommandError as error:
        return error.returncode, str(error)
    return 0


# For each option that takes a name or a file: a call with one that there is not, and what is said.
WRONG = [
    ("run_load_test nothing", "smoke"),
    ("run_load_test smoke --target nothing", "is not a URL such as"),
    ("run_load_test smoke --mix 'nothing 1'", "It has: health,"),
    ("aa_test --scenario nothing", "smoke"),
    ("check_budget --run 999999", "(api-load)"),
    ("check_budget --scenario nothing", "(api-load)"),
    ("check_budget --deterministic --baseline nothing.json", "write it with --update"),
    ("check_budget --update --routes nothing.json", "No such file"),
    ("check_budget --update --since nothing", "the newest first: "),
    ("check_budget --update --user nobody --routes infra/k6/counted.json", "newest are: grace."),
    ("check_budget --against nothing", "the newest first: "),
    ("check_budget --against HEAD --scenario nothing", "smoke"),
    ("check_budget --bisect nothing HEAD", "the newest first: "),
    ("check_budget --bisect HEAD nothing", "the newest first: "),
    ("analyze_db --only nothing --no-store", "unused_indexes"),
    ("analyze_db --database nothing", "default"),
    ("analyze_db --since 999999", "There is no analysis 999999"),
    ("advise_indexes --database nothing", "default"),
    ("budget_rules --check nothing.yml", "No such file"),
    ("budget_rules --output nothing/x.yml", "No such file"),
    ("capacity_report --database nothing", "default"),
    ("k6_scenario ../nothing", "small letters"),
    ("k6_scenario nothing --log-in nothing", "/nothing?"),
    ("perfops_start --database nothing", "default"),
    ("perfops_task nothing", "take_snapshot"),
    ("perfops_task take_snapshot --database nothing", "default"),
    ("set_budgets nothing.json", "No such file"),
    ("clear_cache --region nothing", "profiles"),
    ("import_profile - --owner grave", "'grave'; there is: grace."),
    ("import_profile nothing.json --owner grace", "No such file"),
    ("stack nothing", "status"),
    ("list_routes --filled nothing.json", "No such file"),
    ("load_run 999999", "There is no run 999999"),
]
# Nothing of them can be wrong before it is made: new names, texts, and files that are written.
NO_NAMES = {
    ("analyze_db", "output"), ("check_budget", "executed"), ("set_budgets", "why"),
    ("clear_cache", "pattern"), ("create_account", "username"), ("create_account", "email"),
    ("prepare", "admin"), ("metrics_server", "host"),
}  # fmt: skip
DJANGOS = {"settings", "pythonpath"}
# The parser's own answer, for which Django has no other code when it is called from Python.
REFUSED_BY_THE_PARSER = {"perfops_task nothing", "clear_cache --region nothing", "stack nothing"}


@pytest.mark.django_db
@pytest.mark.parametrize(("words", "known"), WRONG)
def test_a_wrong_name_says_what_there_is_and_leaves_nothing_behind(words, known, capsys):
    LoadRun.objects.create(scenario="api-load", target="http://127.0.0.1:1", state="finished")
    get_user_model().objects.create_user("grace")
    found = called(*shlex.split(words))
    said = "".join(capsys.readouterr()) + str(found)
    assert known in " ".join(said.split()), said
    code = found[0] if isinstance(found, tuple) else found
    is_ours = COMMANDS[words.split()[0]] == "perfops"
    assert code == 2 if is_ours and words not in REFUSED_BY_THE_PARSER else code != 0
    assert LoadRun.objects.count() == 1
    assert not Analysis.objects.exists()


def test_each_option_that_takes_a_name_was_given_a_wrong_one():
    """By its type: numbers and times are refused by the parser, as is what is not a choice."""
    tried = [shlex.split(words) for words, _ in WRONG]
    left = set()
    for name in COMMANDS:
        for option in parser_of(name)._actions:
            is_name = option.nargs != 0 and option.type in {None, str, Path} and not option.choices
            if not is_name or option.dest in DJANGOS or (name, option.dest) in NO_NAMES:
                continue
            is_tried = any(
                words[0] == name
                and ({*option.option_strings} & {*words} or not option.option_strings)
                for words in tried
            )
            if not is_tried:
                left.add((name, option.dest))
    assert left == set()


# Without side effects, and quick; examples of the others need servers, k6, or files.
RUNNABLE = [
    words
    for name in ("perfops", "check_budget", "advise_indexes", "budget_rules", "list_routes")
    for words in examples_of(name)
    if not {"--deterministic", "--against", "--output", "--check", "--write-migrations"} & {*words}
] + [["perfops_task", "--format", "json"]]


@pytest.mark.django_db
@pytest.mark.parametrize("words", RUNNABLE, ids=" ".join)
def test_examples_run_as_they_stand(words, capsys):
    LoadRun.objects.create(scenario="smoke", target="http://127.0.0.1:1", state="canceled")
    called(*words)
    out = capsys.readouterr()
    assert out.out
    assert "Traceback" not in out.err
    if words[-2:] == ["--format", "json"]:
        json.load(io.StringIO(out.out))


@pytest.mark.django_db
def test_perfops_says_its_state_as_markdown(capsys):
    called("perfops", "--format", "markdown")
    heading, _, *lines = capsys.readouterr().out.splitlines()
    assert heading.startswith("## Not known yet")
    assert any(line.startswith("- Budgets: ") for line in lines)
