"""Which region of the cache an answer came from, and which file declares it."""

from django.http import HttpResponse

from midst.kernel.cache import Source
from midst.kernel.http import Origin, PublicResponse
from midst.operations.cache_page.declared import region_of
from profiles.cache import PROFILES


def test_an_answer_of_the_cache_names_its_region_and_the_file():
    answer = PublicResponse()
    answer.origin = Origin(Source(PROFILES, "key", (), (0, 0)), "route", "/path")
    assert region_of(answer) == ("profiles", "profiles/cache.py")
    assert region_of(HttpResponse()) is None
