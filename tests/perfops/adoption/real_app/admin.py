from django.contrib import admin

from real_app.models import Thing


@admin.register(Thing)
class ThingAdmin(admin.ModelAdmin):
    list_display = ["code", "owner_name"]
    list_per_page = 30

    def owner_name(self, thing: Thing) -> str:
        return thing.owner.name
