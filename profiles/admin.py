"""Profiles for the people who look after them. No page counts or sorts the whole table."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from midst.kernel.pagination import BoundedCountPaginator
from profiles.models import Profile


@admin.register(Profile)
class ProfileAdmin(admin.ModelAdmin):
    list_display = ["display_name", "slug", "title", "visibility", "is_active", "created_at"]
    list_filter = ["visibility", "is_active"]
    ordering = ["-created_at", "-id"]
    # Each of these has an index for exactly this look-up.
    search_fields = ["slug__exact", "email__exact"]
    search_help_text = "The exact slug or e-mail address."
    sortable_by = ()
    show_full_result_count = False
    paginator = BoundedCountPaginator
    autocomplete_fields = ["default_mask"]
    raw_id_fields = ["owner"]
    readonly_fields = ["id", "created_at", "updated_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Profile]:
        return super().get_queryset(request).defer("summary")
