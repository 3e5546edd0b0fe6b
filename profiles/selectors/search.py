"""Full-text search of the public profiles: every word must be there, the best match comes first.

Names count most, then titles and skills, then headlines (PostgreSQL's ``ts_rank``). What is ranked
is bounded, so that a frequent word costs no more among a million profiles than among thousands:

* up to ``MOST`` matches: all of them;
* more: those among the ``NEWEST`` newest profiles, ``MOST`` at most.

The ``SAMPLE`` newest decide whether the index is asked at all: a word that ``OFTEN`` of them have
is a frequent one.
"""

import re
import unicodedata
from typing import Annotated, Any
from uuid import UUID

from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db.models import F, FloatField, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast
from msgspec import Meta

from midst.kernel.pagination import Order
from profiles.models import Profile

MOST = 1000
NEWEST = 10_000
SAMPLE = 1000
OFTEN = 50
LONGEST = 200
BY_RANK = Order("rank", "id", (Annotated[float, Meta(ge=0, le=1)], UUID))
# Those that keyboards have, and the spacing accents that are typed in their stead.
_ONES = r"\u0027\u0060\u00b4\u02b9-\u02bd\u0384\u1fbd\u1fbf\u1ffd\u1ffe\u2018-\u201b\u2032"
_APOSTROPHES = re.compile(f"[{_ONES}]")
# Accents, soft hyphens, what has no width.
_UNSEEN = re.compile(rf"[{_ONES}\u00ad\u0300-\u036f\u200b-\u200d\u2060\ufeff]")
_BREAKS = re.compile(
    r"[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00a9\u00ab-\u00b4\u00b6-\u00bf\u00d7\u00f7"
    r"\u1680\u2000-\u206f\u20a0-\u20cf\u2190-\u2bff\u2e00-\u2e7f\u3000-\u3004\u3008-\u3030\u30fb]+"
)
_PLAIN_LETTERS = str.maketrans("\u03c2\u0131øłđðħ", "\u03c3iolddh") | {
    ord("ß"): "ss", ord("æ"): "ae", ord("œ"): "oe", ord("þ"): "th",
}  # fmt: skip

# The query stands in a subquery: the planner, which does not know it then, always takes the index
# in ``few``, even for words that are frequent alone and never come together. ``newest`` and ``few``
# are read no further than what follows asks for.
_CANDIDATES = """(
WITH asked AS MATERIALIZED (SELECT plainto_tsquery('simple', %s) AS words),
newest AS MATERIALIZED (
    SELECT profile_id, document @@ (SELECT words FROM asked) AS has_them
    FROM profiles_profilesearch ORDER BY profile_id DESC LIMIT %s
),
often AS MATERIALIZED (
    SELECT count(*) >= %s AS is_so
    FROM (SELECT has_them FROM newest LIMIT %s) sample WHERE has_them
),
few AS MATERIALIZED (
    SELECT profile_id FROM profiles_profilesearch
    WHERE document @@ (SELECT words FROM asked) AND NOT (SELECT is_so FROM often)
    LIMIT %s + 1
),
many AS MATERIALIZED (
    SELECT (SELECT is_so FROM often) OR (SELECT count(*) FROM few) > %s AS are_so
)
SELECT profile_id FROM few WHERE NOT (SELECT are_so FROM many)
UNION ALL (
    SELECT profile_id FROM newest WHERE has_them AND (SELECT are_so FROM many) LIMIT %s
))"""


def plain(words: str) -> str:
    """Return ``words`` as the search compares them: letters in one spelling, words apart.

    Without accents, in lower case; what NFKD leaves whole is spelled in plain letters. Apostrophes
    go ("o'brien" is one word), other punctuation is a space. "" when there is no word. PostgreSQL's
    ``profiles_search_plain`` does the same with what is searched. No longer than a client may send,
    since the links to other pages have it.
    """
    apart = unicodedata.normalize("NFKD", _APOSTROPHES.sub("", words))
    bare = unicodedata.normalize("NFKC", _UNSEEN.sub("", apart)).lower()
    spelled = _BREAKS.sub(" ", bare.translate(_PLAIN_LETTERS)).strip(" ")[:LONGEST]
    return spelled if any(each.isalnum() for each in spelled) else ""


def matching(words: str, *columns: str) -> QuerySet[Profile, dict[str, Any]]:
    """Return the ``columns`` and the ``rank`` of the profiles that match; for ``BY_RANK``."""
    bounds = [NEWEST, OFTEN, SAMPLE, MOST, MOST, MOST]
    candidates = RawSQL(_CANDIDATES, [words, *bounds])  # noqa: S611 -- all values are bound
    rank = SearchRank(F("search__document"), SearchQuery(words, config="simple"))
    found = Profile.objects.listed().filter(search__pk__in=candidates)
    rows: QuerySet[Profile, dict[str, Any]] = found.annotate(rank=Cast(rank, FloatField())).values(
        *columns, "rank"
    )
    return rows
