"""The indexes of the masks: with many of them the planner uses them, and never sorts."""

import pytest
from django.db import connection

from taxonomy.models import Mask
from tests.explain import check, nodes

# So many rows that an index is worth it take seconds.
pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def many_masks(db):
    Mask.objects.bulk_create(
        Mask(
            slug=f"m-{n}",
            name=f"Mask {n}",
            ontology=["cognitive", "expressive", "operational"][n % 3],
            position=1000 + n,
            compression_ratio=0.5,
            include_tags=[f"tag-{n % 500}", f"other-{n % 300}"],
        )
        for n in range(5000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE taxonomy_mask")


def test_by_ontology_in_their_order(many_masks):
    masks = Mask.objects.filter(ontology="cognitive").order_by("position")
    check(masks[:20], "taxonomy_mask_ontology")


def test_by_tag(many_masks):
    found = nodes(Mask.objects.filter(include_tags__contains=["tag-77"]).order_by())
    assert "Bitmap Index Scan taxonomy_mask_include_tags" in found
