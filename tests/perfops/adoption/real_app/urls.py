"""The pages of the project that ``settings.KIND`` names, and two of our own."""

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.generic import ListView

from real_app.models import Person, Thing


def find(request: HttpRequest, code: str) -> HttpResponse:
    return HttpResponse(Thing.objects.get(code=code).pk)


class ThingList(ListView):
    model = Thing
    paginate_by = 30
    ordering = "pk"


urlpatterns = [
    path("list/", ThingList.as_view()),
    path("find/<str:code>/", find),
    path("admin/", admin.site.urls),
]
if settings.KIND == "oscar":
    urlpatterns.append(path("", include(apps.get_app_config("oscar").urls[0])))
elif settings.KIND == "wagtail":
    from wagtail import urls as wagtail_urls
    from wagtail.admin import urls as cms_urls
    from wagtail.documents import urls as document_urls

    urlpatterns += [
        path("cms/", include(cms_urls)),
        path("documents/", include(document_urls)),
        path("", include(wagtail_urls)),
    ]
else:
    from rest_framework import routers, serializers, viewsets

    class ThingSerializer(serializers.ModelSerializer):
        owner = serializers.CharField(source="owner.name")

        class Meta:
            model = Thing
            fields = ["id", "code", "owner"]

    class PersonSerializer(serializers.ModelSerializer):
        class Meta:
            model = Person
            fields = ["id", "name"]

    class Things(viewsets.ModelViewSet):
        queryset = Thing.objects.order_by("pk").filter(pk__lte=25)
        serializer_class = ThingSerializer

    class People(viewsets.ModelViewSet):
        queryset = Person.objects.order_by("pk")
        serializer_class = PersonSerializer

    router = routers.DefaultRouter()
    router.register("things", Things)
    router.register("people", People)
    urlpatterns.append(path("api/", include(router.urls)))
