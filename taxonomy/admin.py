"""The taxonomy for the people who keep it."""

from django.contrib import admin

from taxonomy.models import Epoch, EpochStage, Mask, Stage


@admin.register(Mask)
class MaskAdmin(admin.ModelAdmin):
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
class EpochAdmin(admin.ModelAdmin):
    list_display = ["position", "name", "summary"]
    list_display_links = ["name"]
    search_fields = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}
    inlines = [StagesInline]


@admin.register(Stage)
class StageAdmin(admin.ModelAdmin):
    list_display = ["title", "summary", "tags"]
    search_fields = ["title", "slug"]
    prepopulated_fields = {"slug": ["title"]}
