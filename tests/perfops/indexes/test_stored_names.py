"""Findings that an older version stored go on under the new names."""

from datetime import date
from importlib import import_module

import pytest
from django.apps import apps

from perfops.analysis import findings, triage
from perfops.analysis.advisors.detection import DetectedIssue
from perfops.models import Analysis, Finding

pytestmark = pytest.mark.django_db
MIGRATION = import_module("perfops.migrations.0013_recommendations")


def issue(advisor):
    return DetectedIssue(advisor, "made public.i", "warning", "title", "why", "remedy")


def test_a_muted_finding_about_impact_stays_muted_under_its_new_id():
    (old,) = findings.record(Analysis.objects.create(), [issue("index_aftermath")])
    assert triage.mute([old.pk], until=date(2999, 1, 1), reason="known")
    MIGRATION.forwards(apps, None)
    findings.record(Analysis.objects.create(), [issue("index_impact")])
    found = Finding.objects.get()
    assert (found.pk, found.status, found.advisor) == (old.pk, "muted", "index_impact")
    MIGRATION.backwards(apps, None)
    found.refresh_from_db()
    assert found.fingerprint == issue("index_aftermath").fingerprint
