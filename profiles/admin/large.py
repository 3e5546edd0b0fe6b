"""What the pages of large tables have in common."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.widgets import AdminTextInputWidget
from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from midst.kernel.pagination import BoundedCountPaginator
from profiles.models import SLUG, Profile


class LargeTable(admin.ModelAdmin):
    """Newest first by key (they are made in the order of time), no sorting, bounded counts."""

    ordering = ["-pk"]
    sortable_by = ()
    show_full_result_count = False
    # They would count the whole table for each filter.
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedCountPaginator
    list_per_page = 50
    formfield_overrides = {
        # Django 5.2 would take an address without a scheme for http.
        models.URLField: {"assume_scheme": "https"},
        # As wide as other texts: a list is written with commas.
        ArrayField: {"widget": AdminTextInputWidget},
    }


class OfProfile(LargeTable):
    """Rows that hang on a profile: found by its exact slug, in two quick steps.

    A change locks the profile, as the API does: what is cached of the row goes by the profile's
    slug, which nobody may change meanwhile.
    """

    search_fields = ["profile"]
    search_help_text = "The exact slug of the profile."
    raw_id_fields = ["profile"]
    list_select_related = ["profile"]
    readonly_fields = ["created_at", "updated_at"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term:
            return queryset, False
        owner = Profile.objects.filter(slug=search_term) if SLUG.fullmatch(search_term) else None
        found = owner.values_list("pk", flat=True).first() if owner is not None else None
        return queryset.filter(profile_id=found) if found else queryset.none(), False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What hangs on one profile never moves to another."""
        return [*self.readonly_fields, *(["profile"] if obj else [])]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        _lock(obj)
        super().save_model(request, obj, form, change)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        _lock(obj)
        super().delete_model(request, obj)

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        profiles = Profile.objects.filter(pk__in=queryset.values("profile_id"))
        # In one order, so that no two wait for each other.
        list(profiles.order_by("pk").select_for_update(no_key=True).values_list("pk"))
        super().delete_queryset(request, queryset)


def _lock(row: Any) -> None:
    row.profile = Profile.objects.select_for_update(no_key=True).get(pk=row.profile_id)
