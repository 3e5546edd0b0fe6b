"""``manage.py clear_cache``: asks first, says what it did, and what it could not do."""

import io
import json
import os
import signal

import pytest
from django.core.management import CommandError, call_command

from midst.kernel.cache import Outcome, read
from midst.operations.cache_page import clearing

pytestmark = pytest.mark.usefixtures("valkey")


def clear(*arguments):
    """Return what the command says on standard output."""
    out = io.StringIO()
    call_command("clear_cache", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def keep(kind, *keys):
    return [read(kind, key, compute=lambda: b"body").outcome for key in keys]


def test_a_kind_is_cleared(things):
    keep(things[0], "thing:1")
    assert "region things is invalid" in clear("--region", "things", "--yes")
    assert keep(things[0], "thing:1") == [Outcome.MISS]


def test_a_pattern_is_deleted_whole_however_many_goes_it_takes(things, monkeypatch):
    monkeypatch.setattr(clearing, "_BATCH_KEYS", 1)
    monkeypatch.setattr(clearing, "STEP_KEYS", 10)
    keys = [f"thing:{number}" for number in range(100)]
    keep(things[0], *keys)
    keep(things[1], "other:1")
    assert json.loads(clear("--pattern", "thing:*", "--yes", "--format", "json")) == {
        "pattern": "thing:*",
        "deleted": 100,
    }
    assert keep(things[1], "other:1") == [Outcome.HIT]


def test_json_names_the_kind(things):
    assert json.loads(clear("--kind", "others", "--yes", "--format", "json")) == {
        "region": "others",
        "kind": "others",
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["--kind", "thing", "--yes"],
            r"invalid choice: 'thing' \(choose from '?others'?, '?things'?\)",
        ),
        (["--pattern", "profil:1", "--yes"], "Keys begin with: other, thing, things"),
        (["--yes"], "one of the arguments --region/--kind --pattern is required"),
        (["--kind", "things", "--pattern", "thing:*"], "not allowed with"),
        (["--kind", "things"], "pass --yes"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(things, monkeypatch, arguments, says):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    keep(things[0], "thing:1")
    with pytest.raises(CommandError, match=says):
        clear(*arguments)
    assert keep(things[0], "thing:1") == [Outcome.HIT]


@pytest.fixture
def answered(monkeypatch):
    """Somebody sits there and answers what the parameter says."""

    def answer(said):
        monkeypatch.setattr("builtins.input", lambda question: said)

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    return answer


def test_a_person_who_says_no_clears_nothing(things, answered):
    keep(things[0], "thing:1")
    answered("n")
    with pytest.raises(CommandError, match="nothing was done"):
        clear("--kind", "things")
    assert keep(things[0], "thing:1") == [Outcome.HIT]


def test_a_person_who_says_yes_clears(things, answered):
    keep(things[0], "thing:1")
    answered("y")
    clear("--kind", "things")
    assert keep(things[0], "thing:1") == [Outcome.MISS]


@pytest.mark.parametrize("what", [["--kind", "things"], ["--pattern", "thing:*"]])
def test_without_redis_it_says_so(valkey, things, what):
    keep(things[0], "thing:1")
    os.kill(valkey.pid, signal.SIGKILL)
    with pytest.raises(CommandError, match="Redis is not available"):
        clear(*what, "--yes")
