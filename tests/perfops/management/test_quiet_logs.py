"""Log lines of counted requests: kept back, and shown where something broke."""

import io
import logging
import sys

import pytest

from perfops.management import quiet_logs

log = logging.getLogger("counted.requests")


@pytest.fixture
def handle(monkeypatch):
    """Return a function that adds a named handler for a stream, as dictConfig does."""
    # The project's own handlers write to stderr as well.
    monkeypatch.setattr(log, "propagate", False)
    added = []

    def add(stream):
        handler = logging.StreamHandler(stream)
        handler.name = f"counted-{len(added)}"
        log.addHandler(handler)
        added.append(handler)

    yield add
    for handler in added:
        log.removeHandler(handler)
        handler.close()


def test_lines_are_written_and_not_seen_until_the_block_has_ended(handle, capsys):
    file = io.StringIO()
    handle(sys.stderr)
    handle(file)
    with quiet_logs.kept() as said:
        log.warning("within")
    log.warning("after")
    assert said.getvalue() == "within\n"
    assert capsys.readouterr().err == "after\n"
    assert file.getvalue() == "within\nafter\n"


def test_what_an_exception_ends_is_shown(handle, capsys):
    def broken():
        with quiet_logs.kept():
            log.warning("within")
            raise RuntimeError

    handle(sys.stderr)
    with pytest.raises(RuntimeError):
        broken()
    assert capsys.readouterr().err == "within\n"
