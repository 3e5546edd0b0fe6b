"""The taxonomy's admin pages."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.widgets import AdminTextInputWidget
from django.contrib.postgres.fields import ArrayField
from django.http import HttpRequest

from taxonomy import selectors
from taxonomy.models import Epoch, EpochStage, Mask, Stage


class _Kept(admin.ModelAdmin):
    """Slugs are the public ids: they never change. What is in use can't be deleted."""

    # As wide as other texts: a list is written with commas.
    formfield_overrides = {ArrayField: {"widget": AdminTextInputWidget}}

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["slug"] if obj else []

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return {} if obj else super().get_prepopulated_fields(request, obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Django would load every row that is in the way; a bounded count says as much."""
        in_use = {str(obj): selectors.uses(obj) for obj in objs}
        protected = [f"{name}: in use by {', '.join(by)}" for name, by in in_use.items() if by]
        return list(in_use), {self.opts.verbose_name_plural: len(in_use)}, set(), protected


@admin.register(Mask)
class MaskAdmin(_Kept):
    list_display = ["name", "ontology", "functional_scope", "tone", "compression_ratio"]
    list_filter = ["ontology"]
    search_fields = ["name", "slug", "functional_scope"]
    prepopulated_fields = {"slug": ["name"]}
    fieldsets = [
        (None, {"fields": ["name", "slug", "ontology", "position", "functional_scope"]}),
        ("Voice", {"fields": ["tone", "rhetorical_mode", "compression_ratio"]}),
        (
            "Selection",
            {
                "fields": [
                    "contexts",
                    "triggers",
                    "include_tags",
                    "exclude_tags",
                    "priority_weights",
                ]
            },
        ),
        ("Redaction", {"fields": ["private_tags", "excluded_entities", "obfuscate_dates"]}),
    ]


class StagesInline(admin.TabularInline):
    model = EpochStage
    extra = 0
    ordering = ["position"]
    autocomplete_fields = ["stage"]


@admin.register(Epoch)
class EpochAdmin(_Kept):
    list_display = ["position", "name", "summary"]
    list_display_links = ["name"]
    search_fields = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}
    inlines = [StagesInline]


@admin.register(Stage)
class StageAdmin(_Kept):
    list_display = ["title", "summary", "tags"]
    search_fields = ["title", "slug"]
    prepopulated_fields = {"slug": ["title"]}
