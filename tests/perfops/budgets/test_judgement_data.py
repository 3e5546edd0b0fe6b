"""A judgement as data: reports, webhooks and the REST API say the same of it."""

import pytest

from perfops.budgets import alert_formats
from perfops.budgets.judgement_data import as_data
from perfops.budgets.selectors import against_before
from perfops.budgets.waivers import Waivers
from perfops.management.report import judgements_as_data
from perfops.models.budgets import Evaluation
from perfops.rest.runs import judged

pytestmark = pytest.mark.django_db


def test_all_forms_have_the_same_figures():
    each = against_before(
        "p95 of /list", Evaluation.Outcome.VIOLATED, before=100, most=105, now=120, text=str,
        reason="+20%.", waived=Waivers(),
    )  # fmt: skip
    data = as_data(each)
    assert data["margin"] == pytest.approx(-1 / 7)
    assert judgements_as_data([each]) == [data]
    assert judged(each).items() >= data.items()
    assert alert_formats.as_data is as_data
