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
        DELETE FROM profiles_profilesearch USING profiles_profile
        WHERE profile_id = id AND default_mask_id = ANY(changed);
    END IF;
    RETURN NULL;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("profiles", "0008_search_words_apart")]
    operations = [migrations.RunSQL(_OF_MASKS, _before.OF_MASKS)]
