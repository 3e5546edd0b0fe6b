"""Postings, which staff keeps, and applications, which it only reads."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from profiles.admin.large import LargeTable, OfProfile
from profiles.models import JobApplication, JobPosting
from profiles.selectors import postings


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


@admin.register(JobApplication)
class JobApplicationAdmin(OfProfile):
    list_display = ["id", "profile", "posting", "status", "applied_at", "updated_at"]
    list_select_related = ["profile", "posting"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
