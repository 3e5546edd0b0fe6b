"""Hits are held against the database: a lie is counted, said, and not told."""

import logging

import pytest

from midst.kernel import cache, redis
from midst.kernel.cache import versions
from midst.telemetry import metrics


@pytest.fixture(autouse=True)
def every_hit(settings):
    settings.CACHE_AUDIT_RATE = 1.0


def stale():
    return metrics.CACHE_STALE.labels("of tests")._value.get()


def audits():
    return metrics.CACHE_AUDITS.labels("of tests")._value.get()


def test_a_true_hit_is_counted_as_audited(ask):
    ask()
    before = audits(), stale()
    assert ask().body == b"body"
    assert (audits(), stale()) == (before[0] + 1, before[1])


def test_a_lie_is_found_and_the_truth_is_told(ask, caplog):
    ask(b"old")
    before = stale()
    with caplog.at_level(logging.ERROR):
        assert ask(b"new").body == b"new"
    assert stale() == before + 1
    assert cache.tag_of(b"old") in caplog.text
    assert cache.tag_of(b"new") in caplog.text


def test_a_commit_in_between_explains_a_difference(ask):
    ask(b"old")
    before = stale()

    def compute():
        cache.invalidate(["a"])
        return b"new"

    ask(compute=compute)
    assert stale() == before


def test_a_commit_that_is_under_way_explains_it_too(ask):
    ask(b"old")
    before = stale()

    def compute():
        versions.set_pending(["a"], "somebody")
        return b"new"

    ask(compute=compute)
    assert stale() == before


def test_an_audit_that_fails_harms_nobody(ask):
    from django.db import OperationalError

    ask()

    def compute():
        raise OperationalError

    assert ask(compute=compute).body == b"body"
    assert redis.client().ping()
