"""Pages that no line of the project asks for: a generic view with a template, a changelist."""

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.urls import path
from django.views.generic import ListView


class EntryList(ListView):
    model = LogEntry
    template_name = "entries.html"


class PermissionAdmin(ModelAdmin):
    """Its rows are shown by ``__str__``, which reads the content type of each."""


site = AdminSite(name="admin")
site.register(Permission, PermissionAdmin)
urlpatterns = [path("entries/", EntryList.as_view()), path("admin/", site.urls)]


def chief_middleware(get_response):
    def middleware(request):
        request.user = User(username="chief", is_superuser=True, is_staff=True)
        return get_response(request)

    return middleware
