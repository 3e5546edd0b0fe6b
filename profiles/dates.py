"""Reduces the dates in a text to their years. Pure.

Recognised are ISO 8601 dates and times, week dates, dates in digits (1/2/2023, 01.02.2023,
2023-01, 20230102), weeks, quarters, seasons, dates with the name of a month in the languages that
Django is translated into, and spans of all these. A day and a month without a year, or with one of
two digits, become ``[date]``. A month alone stays: "may" is a word.

Not recognised: days and months in one digit without a year (1.2.: a chapter, an amount), numbers
in words, names of months in cases that Django does not use, and short names in ASCII of other
languages than English, German, French, Spanish, Italian, Portuguese and Dutch ("led" is January in
Czech).

People write the texts, and a search holds up a whole process. So a text is first cut into words,
numbers and signs, each written as one letter for its kind, and dates are looked for in those. All
repetitions are possessive: no part of a text is tried in two ways.
"""

import gettext
import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

from django.conf import locale

_ENGLISH = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_SHORT_NAMES = (
    "jan jän ene gen genn feb fev fév mar mär mrt apr avr abr may mai mag maj mei jun jui giu jul "
    "juil lug aug ago aoû sep sept set oct okt out ott nov dec dez des déc dic"
)
# Breton for October.
_WORDS = {"here"}

# Kinds of words; w: any other.
_KINDS = {
    "T": "the",
    "R": "st nd rd th er o го",
    "F": "of del de di d do da năm",
    "A": "to until till through and bis und au à et al y e tot en do по и i",
    "S": "spring summer autumn fall winter frühling frühjahr fruhling fruhjahr sommer herbst "
    "printemps été ete automne hiver",
    "K": "week kw semaine semana",
    "J": "in",
    "Q": "q h",
    "U": "w",
    "t": "t",
    "z": "z utc",
    "v": "tháng",
    # Years, months and days as Chinese, Japanese and Korean count them.
    "N": "年 년",
    "G": "月 월",
    "I": "日 号 號 일",
}
_MARKS = "-/.,':+&_"
_SIGNS = {
    **{sign: sign for sign in _MARKS},
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    **dict.fromkeys("\u2018\u2019", "'"),
    "°": "R",
}
_NUMERALS = {numeral: value for value, numeral in enumerate("一二三四五六七八九十", start=1)}

# Kinds of numbers: 0 zero, 1 one digit, 2 01 to 09, 3 10 to 12, 4 13 to 31, 5 other two digits,
# 6 three digits, 7 a year, 8 a day in eight digits, 9 any other.
_NUMBER, _TWO, _MON = "[0-5]", "[2-5]", "[1-3]"
_S = "~*+"
_END = r"(?![\w-]|\.\d)"
_DAY = r"[1-4](?:-?+R|\.)?+"
_LAST_DAY = r"[1-4]R?+(?!\w|[:/]\d)"
_YEAR = rf"(?:7|'{_TWO})(?!\w)"
_MONTH = rf"(?:M(?:\.(?={_S}[\w'-]))?+|v{_S}{_MON})"
_OF = rf"{_S}(?:F'?+{_S})?+(?:[-,/]{_S})?+"
_TO = rf"{_S}(?:[-/&+]|A){_S}"
_DAYS = rf"{_DAY}(?:{_TO}{_DAY})?+"
# "March 4-5", but not the 6 of "March 5-6 May".
_THEN_DAY = rf"{_LAST_DAY}(?!{_S}(?:F'?+{_S})?+[Mv])"
_DAY_AND_MONTH = (
    rf"(?:{_DAYS}{_OF})?+{_MONTH}(?:{_S}(?:T{_S})?+{_LAST_DAY}(?:{_TO}{_THEN_DAY})?+)?+"
)
_BETWEEN = "[-/.]"
_IN_DIGITS = rf"{_NUMBER}[/.](?:{_NUMBER}[/.])?+7"
_TIME = rf"(?:[t~]{_NUMBER}:{_TWO}(?::{_TWO}(?:[.,]\d)?+)?+(?:{_S}(?:z|[-+]\d(?::\d)?+))?+)?+"
_PART = "(?:Q1|1Q)"
_DATE = rf"""(?=[\dMSQKv])(?:(?<!\w)(?:
    {_DAYS}{_OF}{_MONTH}(?:,?+~++|-){_TWO}(?![\w/-])
    | {_MONTH}-{_TWO}(?![\w/-])
    | {_DAY_AND_MONTH}(?:{_TO}{_DAY_AND_MONTH})?+(?:(?:{_OF}|\.){_YEAR})?+
    | 7(?:{_BETWEEN}{_S}|{_S},?+{_S}){_MONTH}(?:{_BETWEEN}?+{_S}{_LAST_DAY})?+
    | [SK]{_S}(?:{_NUMBER}{_S})?+(?:[FJ/,]{_S})?+{_YEAR}
    | {_PART}(?:[~/-]*+{_YEAR} | [/-]{_TWO}(?![\w/-]))
    | 7[~/-]*+{_PART}(?!\w)
    | (?:7{_S}N{_S}{_MON}{_S}G(?:{_S}[1-4]{_S}I)?+ | {_MON}{_S}G{_S}[1-4]{_S}I)
    | (?<!-)(?:
        {_IN_DIGITS}{_S}-{_S}{_IN_DIGITS}
        | 7-U{_TWO}(?:-\d)?+
        | 7{_BETWEEN}{_NUMBER}(?:{_BETWEEN}{_NUMBER}{_TIME})?+
        | 7-6 | 8
        | {_NUMBER}\.~?+{_NUMBER}\.~?+7
        | {_NUMBER}{_BETWEEN}(?:{_NUMBER}{_BETWEEN})?+7
    ){_END}
    | (?<![/-])(?:{_NUMBER}/{_NUMBER}/{_TWO} | {_TWO}\.{_TWO}\.{_TWO} | 2/{_TWO})(?![\w/-])
    | (?<!\d\.)[2-4]\.[23]\.(?!\d)
)
# Nothing else is spelled so: it may stand in the name of a file, or between marks.
| (?<!\d)7[-_][23][-_][2-4](?!\d))"""


def years_only(text: str) -> str:
    """Return ``text`` with every date in it reduced to its year, or to ``[date]``."""
    token, date = patterns()
    tokens = token.findall(text)
    kinds = "".join(map(_kind, tokens))
    parts, end = [], 0
    for found in date.finditer(kinds):
        parts += tokens[end : found.start()]
        parts.append(_reduced(tokens[found.start() : found.end()], found[0]))
        end = found.end()
    return "".join([*parts, *tokens[end:]]) if end else text


def _reduced(tokens: list[str], kinds: str) -> str:
    """Of a span of time, both years; of a month without a day, all."""
    years = []
    for number, kind in enumerate(kinds):
        if kind == "7":
            years.append(tokens[number])
        elif kind == "8":
            years.append(tokens[number][:4])
        elif kind == "'" and kinds[number + 1 : number + 2] in {*"2345"}:
            years.append(tokens[number] + tokens[number + 1])
    if not years and not any(kind.isdigit() for kind in kinds):
        return "".join(tokens)
    return "-".join(dict.fromkeys(years)) or "[date]"


@cache
def patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return what cuts a text into parts, and what finds dates among the kinds of the parts.

    When first used: most processes never ask. No part is so long that it would fill a cache.
    """
    marks = "".join(filter(unicodedata.combining, map(chr, range(0x300, 0x1AB0))))
    spacing = "".join(
        chr(each) for each in range(0x900, 0x1AB0) if unicodedata.category(chr(each))[0] == "M"
    )
    numerals = "".join(_NUMERALS)
    token = rf"""\d{{1,9}}|\s{{1,40}}|[年月日号號년월일]|[{numerals}]{{1,3}}(?=[月日号號])
        |(?:(?![年月日号號년월일{numerals}])[^\W\d_]|[{marks}{spacing}\u200c\u200d]){{1,40}}|."""
    return re.compile(token, re.DOTALL | re.VERBOSE), re.compile(_DATE, re.VERBOSE)


@lru_cache(maxsize=8192)
def _kind(token: str) -> str:
    first = token[0]
    if first.isspace():
        return "~"
    if first.isdecimal():
        return _kind_of_number(token)
    plain = _plain(token)
    if first in _NUMERALS:
        return "1" if plain in _NUMERALS and plain != "十" else "3"
    return _SIGNS.get(plain) or _words().get(plain) or ("w" if first.isalpha() else "!")


def _kind_of_number(token: str) -> str:
    value, digits = int(token), len(token)
    if digits == 8:
        is_day = 1 <= value // 100 % 100 <= 12 and 1 <= value % 100 <= 31
        return "8" if is_day and 1900 <= value // 10_000 < 2100 else "9"
    if digits == 4:
        return "7" if 1000 <= value < 3000 else "9"
    if digits == 3:
        return "6" if value <= 366 else "9"
    if digits > 3:
        return "9"
    if digits == 1:
        return "1" if value else "0"
    if not 1 <= value <= 31:
        return "5"
    return "2" if value < 10 else "3" if value <= 12 else "4"


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().replace("\u200d", "")


@cache
def _words() -> dict[str, str]:
    words = dict.fromkeys(map(_plain, _month_names()), "M")
    for kind, all_of_it in _KINDS.items():
        words |= dict.fromkeys(map(_plain, all_of_it.split()), kind)
    return words


def _month_names() -> Iterator[str]:
    """Yield what Django's translations call the months: their names, also as they are declined
    beside a day, and short names that are no word of a language written in ASCII.
    """
    yield from _SHORT_NAMES.split()
    for path in Path(locale.__file__).parent.glob("*/LC_MESSAGES/django.mo"):
        # Not by django.utils.translation: it would keep all the languages in memory.
        with path.open("rb") as file:
            catalog = gettext.GNUTranslations(file)
        for english in _ENGLISH:
            for name in (catalog.gettext(english), catalog.pgettext("alt. month", english)):
                *rest, last = re.split(r"[\s-]+", name.strip(" .,'\u2024\u200e"))
                # "Mí na Nollag", but not each numeral of Vietnamese; "мая", but not "pro".
                least = 5 if rest else 4 if last.isascii() else 3
                if len(last) >= least and last.casefold() not in _WORDS:
                    yield last
            for name in (
                catalog.gettext(english[:3].lower()),
                catalog.pgettext("abbrev. month", f"{english[:3]}."),
            ):
                short = name.strip(" .,'\u2024\u200e")
                if not short.isascii() and not re.search(r"[\d\s]", short):
                    yield short
