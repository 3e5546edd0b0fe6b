"""The words of public profiles, for the full-text search: their table, and what fills it."""

import django.contrib.postgres.search
import django.db.models.deletion
from django.db import migrations, models

# Without accents, and each character in one spelling: as ``profiles.selectors.search`` has it.
PLAIN = """
CREATE OR REPLACE FUNCTION profiles_search_plain(words text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT normalize(regexp_replace(normalize(words, NFKD), '[\\u0300-\\u036f]', '', 'g'), NFKC)
$$
"""
# What the redaction of the profile's default mask leaves out of narratives.
_REDACTED = """
CREATE OR REPLACE FUNCTION profiles_search_redacted(
    tags varchar[], private_tags varchar[], excluded_entities varchar[]
) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT EXISTS (SELECT FROM unnest(excluded_entities) e WHERE lower(e) = 'skill')
        OR EXISTS (SELECT FROM unnest(tags) t JOIN unnest(private_tags) p ON lower(t) = lower(p))
$$
"""
# A lock on the profiles first: what the next statement reads is then all that is committed.
REFRESH = """
CREATE OR REPLACE FUNCTION profiles_search_refresh(keys uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF keys IS NULL THEN
        RETURN;
    END IF;
    PERFORM FROM profiles_profile WHERE id = ANY(keys) ORDER BY id FOR NO KEY UPDATE;
    DELETE FROM profiles_profilesearch WHERE profile_id = ANY(keys) AND NOT EXISTS (
        SELECT FROM profiles_profile
        WHERE id = profile_id AND visibility = 'public' AND is_active);
    INSERT INTO profiles_profilesearch AS present (profile_id, document)
    SELECT profile.id,
        setweight(to_tsvector('simple', profiles_search_plain(display_name)), 'A')
        || setweight(to_tsvector('simple', profiles_search_plain(title)), 'B')
        || setweight(to_tsvector('simple', profiles_search_plain(coalesce(skills, ''))), 'B')
        || setweight(to_tsvector('simple', profiles_search_plain(headline)), 'C')
    FROM profiles_profile profile
    LEFT JOIN taxonomy_mask mask ON mask.id = default_mask_id
    LEFT JOIN LATERAL (
        SELECT string_agg(skill.name, ' . ' ORDER BY position, id) AS skills
        FROM (
            SELECT name, position, id, tags FROM profiles_skill
            WHERE profile_id = profile.id ORDER BY position, id LIMIT 500
        ) skill
        WHERE NOT profiles_search_redacted(tags, private_tags, excluded_entities)
    ) named ON true
    WHERE profile.id = ANY(keys) AND visibility = 'public' AND is_active
    ON CONFLICT (profile_id) DO UPDATE SET document = EXCLUDED.document
    WHERE present.document IS DISTINCT FROM EXCLUDED.document;
END $$
"""
_OF_PROFILES = """
CREATE OR REPLACE FUNCTION profiles_search_of_profiles() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM profiles_search_refresh(array_agg(id)) FROM new_rows
            WHERE visibility = 'public' AND is_active;
    ELSIF TG_OP = 'DELETE' THEN
        DELETE FROM profiles_profilesearch USING old_rows WHERE profile_id = id;
    ELSE
        PERFORM profiles_search_refresh(array_agg(n.id))
        FROM new_rows n JOIN old_rows o ON o.id = n.id
        WHERE (n.display_name, n.title, n.headline, n.visibility, n.is_active, n.default_mask_id)
            IS DISTINCT FROM
            (o.display_name, o.title, o.headline, o.visibility, o.is_active, o.default_mask_id);
    END IF;
    RETURN NULL;
END $$
"""
_OF_SKILLS = """
CREATE OR REPLACE FUNCTION profiles_search_of_skills() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM profiles_search_refresh(array_agg(DISTINCT profile_id)) FROM new_rows;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM profiles_search_refresh(array_agg(DISTINCT profile_id)) FROM old_rows;
    ELSE
        PERFORM profiles_search_refresh(array_agg(DISTINCT key))
        FROM new_rows n JOIN old_rows o ON o.id = n.id,
            LATERAL unnest(ARRAY[o.profile_id, n.profile_id]) key
        WHERE (n.profile_id, n.name, n.tags, n.position)
            IS DISTINCT FROM (o.profile_id, o.name, o.tags, o.position);
    END IF;
    RETURN NULL;
END $$
"""
OF_MASKS = """
CREATE OR REPLACE FUNCTION profiles_search_of_masks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM profiles_search_refresh(array_agg(DISTINCT profile.id))
    FROM new_rows n
    JOIN old_rows o ON o.id = n.id AND (n.private_tags, n.excluded_entities)
        IS DISTINCT FROM (o.private_tags, o.excluded_entities)
    JOIN profiles_profile profile ON default_mask_id = n.id
    JOIN profiles_skill skill ON profile_id = profile.id
    WHERE profiles_search_redacted(skill.tags, n.private_tags, n.excluded_entities)
        <> profiles_search_redacted(skill.tags, o.private_tags, o.excluded_entities);
    RETURN NULL;
END $$
"""
_FUNCTIONS = {
    "plain(text)": PLAIN,
    "redacted(varchar[], varchar[], varchar[])": _REDACTED,
    "refresh(uuid[])": REFRESH,
    "of_profiles()": _OF_PROFILES,
    "of_skills()": _OF_SKILLS,
    "of_masks()": OF_MASKS,
}


class Migration(migrations.Migration):
    dependencies = [("profiles", "0005_usage_by_user"), ("taxonomy", "0002_reference_data")]
    operations = [
        migrations.CreateModel(
            name="ProfileSearch",
            fields=[
                (
                    "profile",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="search",
                        serialize=False,
                        to="profiles.profile",
                    ),
                ),
                ("document", django.contrib.postgres.search.SearchVectorField()),
            ],
        ),
        *(
            migrations.RunSQL(made, f"DROP FUNCTION IF EXISTS profiles_search_{signature}")
            for signature, made in _FUNCTIONS.items()
        ),
    ]
