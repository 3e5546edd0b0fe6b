"""What the full-text search looks through."""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models

from profiles.models.profile import Profile


class ProfileSearch(models.Model):
    """The words of a public, active profile; other profiles have no row.

    Triggers in the database write it whenever a profile, its skills or its mask's redaction change,
    whoever changes them: see the migrations ``0006`` and ``0007``. Nothing else may.
    """

    # No foreign key in the database: the triggers remove the row of a deleted profile.
    profile = models.OneToOneField(
        Profile, models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="search"
    )
    document = SearchVectorField()

    class Meta:
        indexes = [GinIndex(fields=["document"], name="profiles_search_document")]

    def __str__(self) -> str:
        return f"words of {self.profile_id}"
