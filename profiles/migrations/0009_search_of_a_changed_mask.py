"""A mask that is the default of many profiles changes its redaction in a moment, not in minutes.

Their words are deleted, so that nothing is found which the mask leaves out now; a task reads them
again in small steps (``profiles.services.profiles.refresh_search``).
"""

from importlib import import_module

from django.db import migrations

_before = import_module("profiles.migrations.0006_search")

_OF_MASKS = """
CREATE OR REPLACE FUNCTION profiles_search_of_masks() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed bigint[] := ARRAY(
        SELECT n.id FROM new_rows n JOIN old_rows o ON o.id = n.id
        AND (n.private_tags, n.excluded_entities)
            IS DISTINCT FROM (o.private_tags, o.excluded_entities));
    keys uuid[] := ARRAY(
        SELECT id FROM profiles_profile WHERE default_mask_id = ANY(changed)
        AND visibility = 'public' AND is_active LIMIT 501);
BEGIN
    IF cardinality(keys) <= 500 THEN
        PERFORM profiles_search_refresh(keys);
    ELSE
        DELETE FROM profiles_profilesearch WHERE profile_id IN (
            SELECT profile_id FROM profiles_profilesearch JOIN profiles_profile ON id = profile_id
            WHERE default_mask_id = ANY(changed)
            ORDER BY profile_id FOR UPDATE OF profiles_profilesearch);
    END IF;
    RETURN NULL;
END $$
"""
# In the order in which the change of a mask locks them, or each would wait for the other.
_IN_ANY_ORDER = import_module("profiles.migrations.0008_search_words_apart").REFRESH
_REFRESH = _IN_ANY_ORDER.replace("    ON CONFLICT", "    ORDER BY profile.id\n    ON CONFLICT")


class Migration(migrations.Migration):
    dependencies = [("profiles", "0008_search_words_apart")]
    operations = [
        migrations.RunSQL(_REFRESH, _IN_ANY_ORDER),
        migrations.RunSQL(_OF_MASKS, _before.OF_MASKS),
    ]
