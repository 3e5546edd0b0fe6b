"""Reduces the dates in a text to their years. Pure.

Recognised are ISO 8601 dates and times, week dates, dates in digits (1/2/2023, 01.02.2023,
2023-01, 20230102), weeks, quarters, seasons, and dates with the name of a month in English,
German, French, Spanish, Italian, Portuguese or Dutch, and spans of all these. A day and a month
without a year, or with one of two digits, become ``[date]``. A month alone stays: "may" is a word.

People write the texts, and one search holds up a whole process: white space is taken as a whole
(``*+``), or a long run of it could be shared out in thousands of ways.
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
_MONTH = rf"(?:{_MONTHS})(?:\b|(?=\d))\.?"
_FULL = r"([12]\d{3})"
_SHORT = r"(['\u2019]\d\d)"
_YEAR = rf"(?:{_FULL}|{_SHORT})"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])(?:\.|st|nd|rd|th|er|º|ª|°)?"
_OF = r"\s*+(?:(?:of|del|de|di|d')\s*+)?(?:[-,/]\s*+)?"
_TIME = r"(?:[T ]\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?(?:\s*+(?:Z|UTC|[+-]\d\d:?\d\d))?)?"
_NUMBER = r"\d{1,2}"
_PART = r"(?:Q[1-4]|[1-4]Q|H[12]|[12]H)"
_HYPHEN = r"[-_\u2010-\u2014]"
_DASH = r"[-\u2010-\u2014]"
_IN_DIGITS = rf"(?:{_NUMBER}[/.])?{_NUMBER}[/.]{_FULL}"
_BETWEEN = r"[-/.\u2010-\u2014]"
_AND = r"\b(?:to|until|till|through|and|bis|und|au?|à|et|al?|y|e|tot|en)\b"
_TO = rf"\s*+(?:[-/&+\u2010-\u2014]|{_AND})\s*+"
_DAYS = rf"{_DAY}(?:{_TO}{_DAY})?"
_DAY_AND_MONTH = rf"(?:{_DAYS}{_OF})?{_MONTH}(?:(?:\s++the\b)?\s*+{_DAYS}(?!\d))?"
_SEASON = (
    r"(?:spring|summer|autumn|fall|winter|fr[üu]hling|fr[üu]hjahr|sommer|herbst|printemps|[ée]t[ée]|"
    r"automne|hiver)"
)

# Nothing else is spelled so: it may stand in the name of a file, or between marks.
_ISO = rf"(?<!\d){_FULL}{_HYPHEN}(?:0[1-9]|1[0-2]){_HYPHEN}(?:0[1-9]|[12]\d|3[01])(?!\d)"

_WITH_YEAR = rf"""{_FULL}年{_NUMBER}月(?:{_NUMBER}日)?|(?<!\w)(?:
    (?<!-)(?:
        {_FULL}-W\d\d(?:-\d)?
        | {_FULL}{_BETWEEN}{_NUMBER}(?:{_BETWEEN}{_NUMBER}{_TIME})?
        | {_FULL}-(?:[0-2]\d\d|3[0-6]\d)
        | ((?:19|20)\d\d)(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])
        | {_IN_DIGITS}\s*+{_DASH}\s*+{_IN_DIGITS}
        | {_NUMBER}\.\s?{_NUMBER}\.\s?{_FULL}
        | (?:{_NUMBER}{_BETWEEN})?{_NUMBER}{_BETWEEN}{_FULL}
    )
    | {_PART}[\s/-]*+{_YEAR}
    | {_FULL}[\s/-]*+{_PART}
    | (?:week|KW|semaine|semana)\s*+{_NUMBER}\s*+(?:(?:of|de|in|/|,)\s*+)?{_FULL}
    | {_SEASON}\s++(?:(?:of|de)\s++)?{_YEAR}
    | (?:{_DAY_AND_MONTH}{_TO})?{_DAY_AND_MONTH}(?:{_TO}{_DAY})?{_OF}{_YEAR}
    | {_FULL}(?:\s++(?:,\s++)?|,\s++|[-/.]){_MONTH}(?:[-/.\s]++{_DAY})?
)(?![\w-]|\.\d)|{_ISO}"""
_WITHOUT_YEAR = rf"""(?<![\w/-])(?:
    (?:{_DAYS}{_OF}{_MONTH}|{_MONTH}(?:\s++the\b)?\s*+{_DAYS})(?:(?:,?\s++|-)\d\d(?!\w))?
    | {_MONTH}-\d\d
    | {_NUMBER}/{_NUMBER}/\d\d | \d\d\.\d\d\.\d\d | 0[1-9]/\d\d
)(?![\w/-])"""


def years_only(text: str) -> str:
    """Return ``text`` with every date in it reduced to its year, or to ``[date]``."""
    with_year, without_year = _patterns()
    return without_year.sub("[date]", with_year.sub(_year, text))


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """When first used: to compile them takes 0.1 s, and most processes never ask."""
    return (
        re.compile(_WITH_YEAR, re.IGNORECASE | re.VERBOSE),
        re.compile(_WITHOUT_YEAR, re.IGNORECASE | re.VERBOSE),
    )


def _year(match: re.Match[str]) -> str:
    """Of a span of time, both years."""
    return "-".join(dict.fromkeys(found for found in match.groups() if found))
