"""Reduces the dates in a text to their years. Pure.

Recognised are ISO 8601 dates and times, week dates, dates in digits (1/2/2023, 01.02.2023,
2023-01), quarters, and dates with the name of a month in English, German, French, Spanish,
Italian, Portuguese or Dutch. A day and a month without a year become ``[date]``.
"""

import re
from functools import cache

_MONTHS = (
    "jan(?:uary|uar|vier|eiro|uari)?|j[aä]nner|ene(?:ro)?|genn(?:aio)?|gen|"
    "feb(?:ruary|ruar|rero|braio|ruari)?|f[eé]v(?:rier|ereiro)?|"
    "mar(?:ch|s|zo|ço|t)?|m[aä]r(?:z)?|maart|mrt|"
    "apr(?:il|ile)?|avr(?:il)?|abr(?:il)?|"
    "ma[iyg](?:o|gio)?|mei|mag(?:gio)?|"
    "june?|juni|juin|junio|junho|giu(?:gno)?|"
    "july?|juli|juil(?:let)?|julio|julho|lug(?:lio)?|"
    "aug(?:ust|ustus)?|ao[uû]t|ago(?:sto)?|"
    "sept?(?:ember|embre|iembre)?|set(?:tembre|embro)?|"
    "o[ck]t(?:ober|obre|ubre)?|out(?:ubro)?|ott(?:obre)?|"
    "nov(?:ember|embre|iembre|embro)?|"
    "de[czs](?:ember|embre|iembre|embro)?|d[eé]c(?:embre)?|dic(?:embre|iembre)?"
)
_MONTH = rf"(?:{_MONTHS})\b\.?"
_YEAR = r"([12]\d{3})"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])(?:\.|st|nd|rd|th|er|º|ª)?"
_OF = r"(?:\s*(?:of|de|di|d'|del))?\s*[-,]?\s*"
_TIME = r"(?:[T ]\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?\s*(?:Z|UTC|[+-]\d\d:?\d\d)?)?"
_NUMBER = r"\d{1,2}"

_WITH_YEAR = rf"""(?<![\w-])(?:
    {_YEAR}-W\d\d(?:-\d)?
    | {_YEAR}[-/.]{_NUMBER}(?:[-/.]{_NUMBER}{_TIME})?
    | (?:{_NUMBER}[-/.])?{_NUMBER}[-/.]{_YEAR}
    | Q[1-4][\s/-]*{_YEAR}
    | (?:{_DAY}{_OF})?{_MONTH}{_OF}(?:{_DAY}\s*,?\s+)?{_YEAR}
    | {_YEAR}\s*,?\s+{_MONTH}(?:\s+{_DAY})?
)(?![\w-]|\.\d)"""
_WITHOUT_YEAR = rf"(?<![\w/-])(?:{_DAY}{_OF}{_MONTH}|{_MONTH}\s*{_DAY})(?![\w/-])"


def years_only(text: str) -> str:
    """Return ``text`` with every date in it reduced to its year, or to ``[date]``."""
    with_year, without_year = _patterns()
    return without_year.sub("[date]", with_year.sub(_year, text))


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """When first used: to compile them takes 0.1 s, and most processes never ask."""
    return (
        re.compile(_WITH_YEAR, re.IGNORECASE | re.VERBOSE),
        re.compile(_WITHOUT_YEAR, re.IGNORECASE),
    )


def _year(match: re.Match[str]) -> str:
    return next(found for found in match.groups() if found)
