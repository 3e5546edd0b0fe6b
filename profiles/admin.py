"""The admin pages of profiles and their collections.

No page counts or sorts a whole table; each search has an index for it.
"""

from typing import Any

from django.contrib import admin
from django.contrib.admin.widgets import AdminTextInputWidget
from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from midst.kernel.pagination import BoundedCountPaginator
from profiles.collections import CV
from profiles.models import (
    SLUG,
    JobApplication,
    JobPosting,
    Narrative,
    Profile,
    Subscription,
    TimelineEvent,
    UsageQuota,
    UserUsage,
)
from profiles.selectors import postings


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
    """Rows that belong to a profile: found by its exact slug, in two quick steps.

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
        """What belongs to one profile never moves to another."""
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
        """What belongs to a profile is deleted with it: no list of all of it is shown."""
        names = [f"{profile} with its CV, timeline, narratives, applications" for profile in objs]
        return names, {"profiles": len(names)}, set(), []


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


@admin.register(JobPosting)
class JobPostingAdmin(LargeTable):
    list_display = ["title", "company", "location", "status", "created_at"]
    list_filter = ["status"]
    ordering = ["-created_at", "-id"]
    search_fields = ["pk__exact"]
    search_help_text = "The exact id."
    readonly_fields = ["created_at", "updated_at"]

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        key = postings.key_of(search_term)
        if not search_term:
            return queryset, False
        return (queryset.filter(pk=key) if key else queryset.none()), False

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Django would load every application that is in the way."""
        protected = [
            f"{each}: there are applications" for each in objs if postings.is_used(each.pk)
        ]
        return [str(each) for each in objs], {"job postings": len(objs)}, set(), protected


class History(LargeTable):
    """What was done or used: it can be looked at, and deleted."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(JobApplication)
class JobApplicationAdmin(History, OfProfile):
    list_display = ["id", "profile", "posting", "status", "applied_at", "updated_at"]
    list_select_related = ["profile", "posting"]


@admin.register(Subscription)
class SubscriptionAdmin(OfProfile):
    list_display = ["profile", "tier", "status", "period_end", "cancel_at"]
    list_filter = ["tier", "status"]


@admin.register(UsageQuota)
class UsageQuotaAdmin(History, OfProfile):
    list_display = ["profile", "feature", "used", "period_start", "period_end"]
    readonly_fields = []


@admin.register(UserUsage)
class UserUsageAdmin(History):
    """What limits are held against. Deleting a row gives its user the month's quota anew."""

    list_display = ["user", "feature", "used", "period_start", "period_end"]
    list_select_related = ["user"]
    search_fields = ["user__username__exact"]
    search_help_text = "The exact user name."
