"""Origins counted in this process, without the thread that would write beside the tests."""

import pytest
from django.db import connection

from perfops.origins import flushing, ledger, scope, wrapper


@pytest.fixture
def counting(db, monkeypatch):
    """Count what this thread's connection sends, from nothing."""
    monkeypatch.setattr(flushing, "begin", lambda: None)
    count = wrapper.counting(connection.alias)
    connection.execute_wrappers.append(count)
    scope.process.tallies.clear()
    ledger.begin_anew()
    ledger._known.clear()
    yield
    connection.execute_wrappers.remove(count)
    scope.process.tallies.clear()
    ledger.begin_anew()
    ledger._known.clear()


@pytest.fixture
def counted(counting):
    """Return a function that returns {CallKey: CallTotals} of the statements with ``word``."""

    def found(word=""):
        scope.tell_all(ended=False)
        rows = ledger.take()
        ledger.give_back(rows)
        return {sent: count for sent, count in rows.items() if word in sent.text}

    return found
