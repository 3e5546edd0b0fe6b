"""Masks, epochs and stages over HTTP."""

import pytest

from taxonomy import schemas
from taxonomy.models import Mask

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_cache")]
URL = "/api/v1/taxonomy"


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("/api/v1/taxonomy/masks", schemas.MaskList),
        ("/api/v1/taxonomy/masks/architect", schemas.Mask),
        ("/api/v1/taxonomy/epochs", schemas.EpochList),
        ("/api/v1/taxonomy/epochs/mastery", schemas.Epoch),
        ("/api/v1/taxonomy/stages", schemas.StageList),
        ("/api/v1/taxonomy/stages/inquiry", schemas.Stage),
    ],
)
def test_each_answer_is_what_its_schema_says(client, path, schema):
    answer = client.get(path)
    assert answer.status_code == 200
    body = answer.json()
    told = schema.model_validate(body)
    assert set(body) == set(schema.model_fields)
    assert told


@pytest.mark.parametrize(
    ("path", "queries"),
    [
        ("/masks", 2),  # the page, its count
        ("/masks/architect", 1),
        ("/epochs", 3),  # the page, its count, all stages of the page
        ("/epochs/mastery", 2),
        ("/stages", 2),
        ("/stages/inquiry", 1),
    ],
)
def test_a_miss_takes_few_queries_and_a_hit_none(client, django_assert_num_queries, path, queries):
    with django_assert_num_queries(queries):
        first = client.get(URL + path)
    with django_assert_num_queries(0):
        second = client.get(URL + path)
    assert (first["X-Cache"], second["X-Cache"]) == ("MISS", "HIT")
    assert first.content == second.content


@pytest.mark.parametrize(
    ("query", "slugs"),
    [
        ("limit=2", ["analyst", "synthesist"]),
        ("offset=14", ["custodian", "calibrator"]),
        ("ontology=operational&limit=2", ["executor", "steward"]),
        ("tag=vision", ["synthesist", "strategist"]),
        ("search=governance", ["steward"]),
        ("search=ARCHITECT", ["architect"]),
        ("tag=nobody-has-this", []),
    ],
)
def test_masks_filter_and_page(client, query, slugs):
    body = client.get(f"{URL}/masks?{query}").json()
    assert [mask["slug"] for mask in body["results"]] == slugs


def test_the_count_is_of_all_that_match(client):
    assert client.get(f"{URL}/masks?limit=1").json()["count"] == 16


def test_stages_of_an_epoch_come_in_its_order(client):
    body = client.get(f"{URL}/stages?epoch=expansion").json()
    assert [stage["slug"] for stage in body["results"]] == ["construction", "negotiation"]


@pytest.mark.parametrize(
    "path", ["/masks/nobody", "/masks/a%00b", "/epochs/x", "/stages/x", "/masks/%2e%2e", "/nothing"]
)
def test_what_is_not_there_is_a_404_with_problem_details(client, path):
    answer = client.get(URL + path)
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["title"].lower() == "not found"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "query.limit"),
        ("limit=101", "query.limit"),
        ("offset=-1", "query.offset"),
        ("ontology=other", "query.ontology"),
        ("tag=a%00b", "query.tag"),
    ],
)
def test_a_bad_parameter_is_a_422_that_names_it(client, query, field):
    answer = client.get(f"{URL}/masks?{query}")
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_texts_with_colons_are_not_mixed_up_in_the_cache(client):
    client.get(f"{URL}/masks?tag=a:b&search=c")
    assert client.get(f"{URL}/masks?tag=a&search=b:c")["X-Cache"] == "MISS"


def test_a_change_is_seen_at_once(client, django_capture_on_commit_callbacks):
    client.get(f"{URL}/masks/analyst")
    with django_capture_on_commit_callbacks(execute=True):
        mask = Mask.objects.get(slug="analyst")
        mask.tone = "dry"
        mask.save()
    assert client.get(f"{URL}/masks/analyst").json()["tone"] == "dry"
