"""Words are found apart, whatever joins them, and letters in one spelling: ``Node.js`` by ``node``.

What is there already is read again in small steps, each one transaction that holds its profiles for
as long as the step takes. All of it can be done again when it was interrupted.
"""

from importlib import import_module

from django.db import migrations

_before = import_module("profiles.migrations.0006_search")
_read_again = import_module("profiles.migrations.0007_search_in_step").read_what_is_there

# As ``profiles.selectors.search`` has them.
_APOSTROPHES = r"\u0027\u0060\u00b4\u02b9-\u02bd\u0384\u1fbd\u1fbf\u1ffd\u1ffe\u2018-\u201b\u2032"
_UNSEEN = r"\u00ad\u0300-\u036f\u200b-\u200d\u2060\ufeff"
_BREAKS = (
    r"\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00a9\u00ab-\u00b4\u00b6-\u00bf\u00d7\u00f7"
    r"\u1680\u2000-\u206f\u20a0-\u20cf\u2190-\u2bff\u2e00-\u2e7f\u3000-\u3004\u3008-\u3030\u30fb"
)
_LETTERS = "'\u03c2\u0131øłđðħ', '\u03c3iolddh'"
_PLAIN = rf"""
CREATE OR REPLACE FUNCTION profiles_search_plain(words text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT btrim(regexp_replace(
        replace(replace(replace(replace(translate(
            lower(normalize(regexp_replace(
                normalize(regexp_replace(words, '[{_APOSTROPHES}]', '', 'g'), NFKD),
                '[{_APOSTROPHES}{_UNSEEN}]', '', 'g'
            ), NFKC)),
            {_LETTERS}), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th'),
        '[{_BREAKS}]+', ' ', 'g'))
$$
"""
# A word with an apostrophe is found whole and by its parts. In a function of its own: PostgreSQL
# puts ``words`` into the statement that calls it, which is five times as fast.
_PARTS = rf"""
CREATE OR REPLACE FUNCTION profiles_search_parts(words text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT profiles_search_plain(
        regexp_replace(string_agg(found[1], ' '), '[{_APOSTROPHES}]', ' ', 'g'))
    FROM regexp_matches(words, '(\S*[{_APOSTROPHES}]\S*)', 'g') found
$$
"""  # noqa: S608 -- all of it is written here
_WORDS = rf"""
CREATE OR REPLACE FUNCTION profiles_search_words(words text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT profiles_search_plain(words) || CASE WHEN words ~ '[{_APOSTROPHES}]'
        THEN ' ' || profiles_search_parts(words) ELSE '' END
$$
"""
REFRESH = _before.REFRESH.replace("profiles_search_plain(", "profiles_search_words(")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("profiles", "0007_search_in_step")]
    operations = [
        migrations.RunPython(migrations.RunPython.noop, _read_again),
        migrations.RunSQL(_PARTS, "DROP FUNCTION IF EXISTS profiles_search_parts(text)"),
        migrations.RunSQL(_WORDS, "DROP FUNCTION IF EXISTS profiles_search_words(text)"),
        migrations.RunSQL(_PLAIN, _before.PLAIN),
        migrations.RunSQL(REFRESH, _before.REFRESH),
        migrations.RunPython(_read_again, migrations.RunPython.noop),
    ]
