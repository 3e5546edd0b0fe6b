"""Every read runs as many queries for a hundred rows as for one."""

from copy import copy

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from midst.accounts.models import ApiToken
from midst.api import api
from midst.kernel import cache
from midst.kernel.cache.regions import all_regions
from perfops.models import Analysis, Budget, Finding, LoadRun, Occurrence, Waiver
from profiles.collections import CV, NARRATIVES, TIMELINE
from profiles.models import JobApplication, JobPosting, Profile
from tests.contracts.test_access import MATRIX, P, address

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_cache")]
MORE = 30
PARTS = {f"{P}/{each.path}": each for each in (*CV, TIMELINE, NARRATIVES)}
PART_READS = [each for each in (*PARTS, f"{P}/applications") for each in (each, f"{each}/{{id}}")]
# Of who signs in, for whom nothing is kept, the first one finds the session.
OWN = {
    "/auth/tokens": 2,
    "/auth/tokens/{id}": 2,
    "/profiles/me": 2,
    "/profiles/{id}": 2,
    **dict.fromkeys(PART_READS, 3),  # the profile; the rows
    f"{P}/masks": 4,  # the profile; its interests; the masks
    f"{P}/subscription": 3,
    f"{P}/usage": 6,  # the profile; its plan; what is used; the masks of narratives; its own
}
# Of anyone, on a miss.
PUBLIC = {
    "/taxonomy/masks": 2,  # how many; the rows
    "/taxonomy/masks/{slug}": 1,
    "/taxonomy/epochs": 3,  # how many; the rows; their stages
    "/taxonomy/epochs/{slug}": 2,
    "/taxonomy/stages": 2,
    "/taxonomy/stages/{slug}": 1,
    "/profiles": 1,
    "/profiles/{id}": 1,
    **dict.fromkeys(PART_READS[:-2], 2),
    f"{P}/masks": 3,
    "/postings": 1,
    "/postings/{id}": 1,
}
# Of staff: the session, and two for the permissions of the user and of their groups.
STAFF = {
    "/perfops/runs": 4,
    "/perfops/runs/{id}": 6,  # what was made of its budgets, with the waivers
    "/perfops/incidents": 5,  # the analysis; its findings
    "/perfops/findings": 4,
    "/perfops/findings/{id}": 4,
    "/perfops/budgets": 6,  # the newest judgements; waivers
    "/perfops/budgets/{id}": 6,
    "/perfops/waivers": 4,
}
READS = [path for method, path, *_ in MATRIX if method == "GET"]


def copies(row, **changes):
    for number in range(MORE):
        another = copy(row)
        another.pk, another._state = row._meta.pk.get_default(), copy(row._state)
        another._state.adding = True
        for name, value in changes.items():
            setattr(another, name, f"{value}{number}" if isinstance(value, str) else value)
        yield another


def fill(world):
    """More rows in every list."""
    for each in PARTS.values():
        first = each.model.objects.get(pk=world.parts[each.path])
        changes = {"external_id": "x"} if hasattr(first, "external_id") else {}
        each.model.objects.bulk_create(copies(first, **changes))
    Profile.objects.bulk_create(copies(world.profile, slug="ada-"))
    ApiToken.objects.bulk_create(copies(ApiToken.objects.first(), token_hash="x"))
    postings = JobPosting.objects.bulk_create(copies(world.posting))
    LoadRun.objects.bulk_create(copies(LoadRun.objects.get()))
    analysis, finding = Analysis.objects.get(), Finding.objects.get()
    findings = Finding.objects.bulk_create(copies(finding, fingerprint="f"))
    Occurrence.objects.bulk_create(
        Occurrence(analysis=analysis, finding=each, severity="warning") for each in findings
    )
    budget = Budget.objects.get(pk=world.parts["budgets"])
    Budget.objects.bulk_create(copies(budget, route="/"))
    Waiver.objects.bulk_create(copies(Waiver.objects.get()))
    JobApplication.objects.bulk_create(
        JobApplication(profile=world.profile, posting=posting) for posting in postings
    )


def queries(client, token, url):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with CaptureQueriesContext(connection) as run:
        answer = client.get(url, headers=headers)
    assert answer.status_code == 200, (url, answer.content)
    return len(run)


@pytest.mark.parametrize(
    ("who", "expected"),
    [("owner", OWN), (None, PUBLIC), ("staff", STAFF)],
    ids=["own", "public", "staff"],
)
def test_a_read_takes_as_many_whatever_the_page(client, world, who, expected):
    fill(world)
    token = who and world.credentials[who]
    found = {}
    for path in expected:
        url = f"/api/v1{address(world, path)}"
        pages = "limit" in api.query_parameters[f"/api/v1{path}", "get"]
        one, hundred = ("?limit=1", "?limit=100") if pages else ("", "")
        found[path] = queries(client, token, f"{url}{one}")
        cache.invalidate([region.group for region in all_regions()])
        assert queries(client, token, f"{url}{hundred}") == found[path], path
    assert found == expected


def test_no_read_is_left_out():
    assert {*OWN, *PUBLIC, *STAFF} == set(READS)
