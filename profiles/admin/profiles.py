"""Profiles themselves."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from profiles.admin.large import LargeTable
from profiles.models import Profile


@admin.register(Profile)
class ProfileAdmin(LargeTable):
    list_display = ["display_name", "slug", "title", "visibility", "is_active", "created_at"]
    list_filter = ["visibility", "is_active"]
    ordering = ["-created_at", "-id"]
    search_fields = ["slug__exact", "email__exact"]
    search_help_text = "The exact slug or e-mail address."
    autocomplete_fields = ["default_mask"]
    raw_id_fields = ["owner"]
    readonly_fields = ["id", "created_at", "updated_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Profile]:
        return super().get_queryset(request).defer("summary")

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """All that hangs on a profile goes with it; nobody reads a list of it all."""
        names = [f"{profile} with its CV, timeline, narratives, applications" for profile in objs]
        return names, {"profiles": len(names)}, set(), []
