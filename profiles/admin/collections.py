"""CVs, timelines and narratives."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from profiles.admin.large import OfProfile
from profiles.collections import CV
from profiles.models import Narrative, TimelineEvent


@admin.register(*(collection.model for collection in CV))
class EntryAdmin(OfProfile):
    list_display = ["__str__", "profile", "position", "starts_on", "ends_on", "tags"]


@admin.register(TimelineEvent)
class TimelineEventAdmin(OfProfile):
    list_display = ["title", "kind", "profile", "starts_on", "importance", "epoch", "stage"]
    list_select_related = ["profile", "epoch", "stage"]
    autocomplete_fields = ["epoch", "stage"]


@admin.register(Narrative)
class NarrativeAdmin(OfProfile):
    """The status is read-only here: narratives are approved through the API."""

    list_display = ["id", "profile", "mask", "status", "approved_at", "updated_at"]
    list_select_related = ["profile", "mask"]
    readonly_fields = ["status", "approved_at", "approved_by", "created_at", "updated_at"]
    autocomplete_fields = ["mask"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Narrative]:
        found: QuerySet[Narrative] = super().get_queryset(request)
        is_list = request.resolver_match and request.resolver_match.url_name
        return found.defer("blocks", "meta") if str(is_list).endswith("changelist") else found

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Make an edited narrative a draft again, as the API does."""
        if change and form.changed_data:
            obj.status, obj.approved_at, obj.approved_by = Narrative.Status.DRAFT, None, None
        super().save_model(request, obj, form, change)
