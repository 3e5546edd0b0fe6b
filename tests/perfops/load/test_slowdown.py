"""The slowdown of aa_test: there for that alone, and never beside another database."""

import time

import pytest
from django.core.exceptions import ImproperlyConfigured, MiddlewareNotUsed
from django.db import connections

from perfops.load import slowdown


def test_without_its_variable_it_is_not_there(monkeypatch):
    monkeypatch.delenv(slowdown.VARIABLE, raising=False)
    with pytest.raises(MiddlewareNotUsed):
        slowdown.slowdown_middleware(lambda request: request)


def test_beside_a_database_that_is_no_comparisons_own_nothing_starts(monkeypatch):
    monkeypatch.setenv(slowdown.VARIABLE, "5")
    with pytest.raises(ImproperlyConfigured, match="not for "):
        slowdown.slowdown_middleware(lambda request: request)


def test_each_request_costs_that_much_cpu_more(monkeypatch):
    monkeypatch.setitem(connections["default"].settings_dict, "NAME", f"{slowdown.SCRATCH}1_a")
    monkeypatch.setenv(slowdown.VARIABLE, "5")
    handle = slowdown.slowdown_middleware(lambda request: request)
    began = time.thread_time()
    assert handle("asked") == "asked"
    assert time.thread_time() - began >= 0.005
    monkeypatch.setenv(slowdown.VARIABLE, "much")
    with pytest.raises(ImproperlyConfigured, match="give milliseconds"):
        slowdown.slowdown_middleware(handle)
