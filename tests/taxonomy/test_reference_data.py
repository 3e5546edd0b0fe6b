"""The reference data of the design is there after migrating."""

import pytest
from django.db import IntegrityError, transaction

from taxonomy.models import Epoch, Mask, Stage

pytestmark = pytest.mark.django_db


def test_all_sixteen_masks_are_there_in_order():
    assert [mask.slug for mask in Mask.objects.all()] == [
        "analyst", "synthesist", "observer", "strategist", "speculator", "interpreter",
        "artisan", "architect", "narrator", "provoker", "mediator", "executor", "steward",
        "integrator", "custodian", "calibrator",
    ]  # fmt: skip


def test_a_mask_carries_every_fact_of_its_row():
    mask = Mask.objects.get(slug="architect")
    assert (mask.ontology, mask.tone, mask.rhetorical_mode) == (
        "expressive", "assertive", "structured",
    )  # fmt: skip
    assert mask.functional_scope == "systems design and trade-off narration"
    assert float(mask.compression_ratio) == 0.6
    assert mask.contexts == ["design", "systems", "architecture"]
    assert mask.triggers == ["blueprint", "diagram"]
    assert mask.include_tags == ["design", "system"]
    assert mask.exclude_tags == ["ad-hoc"]
    assert mask.priority_weights == {"reliability": 3, "scalability": 3}


def test_epochs_have_their_stages_in_order():
    assert {
        epoch.slug: [stage.slug for stage in epoch.stages.order_by("epochstage__position")]
        for epoch in Epoch.objects.all()
    } == {
        "initiation": ["inquiry", "design"],
        "expansion": ["construction", "negotiation"],
        "consolidation": ["calibration", "reflection"],
        "divergence": ["inquiry", "construction"],
        "mastery": ["design", "transmission"],
        "reinvention": ["inquiry", "construction"],
        "transmission": ["transmission", "archival"],
        "legacy": ["archival", "reflection"],
    }


def test_there_are_eight_stages():
    assert Stage.objects.count() == 8
    assert Stage.objects.get(slug="reflection").tags == ["retro", "synthesis"]


@pytest.mark.parametrize(
    "change", [{"ontology": "other"}, {"compression_ratio": 0}, {"compression_ratio": 1.5}]
)
def test_the_database_refuses_a_mask_out_of_bounds(change):
    with pytest.raises(IntegrityError), transaction.atomic():
        Mask.objects.filter(slug="analyst").update(**change)
