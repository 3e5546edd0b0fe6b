"""``k6_scenario`` in a project of Django REST framework: routers say the routes, serializers the
bodies.
"""

import msgspec
import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.test import override_settings
from django.urls import include, path
from rest_framework import generics, permissions, routers, serializers, viewsets

from perfops.load import routes, writes
from perfops.load import scenarios as plans
from perfops.load.routes import Route


class GroupSerializer(serializers.ModelSerializer):
    since = serializers.DateField(write_only=True)
    kind = serializers.ChoiceField(["large", "small"], write_only=True)
    size = serializers.IntegerField(min_value=3, write_only=True)

    class Meta:
        model = Group
        fields = ("id", "name", "permissions", "since", "kind", "size")

    def create(self, given):
        return Group.objects.create(name=given["name"])


class PermissionSerializer(serializers.ModelSerializer):
    title = serializers.CharField(source="name", max_length=255)

    class Meta:
        model = Permission
        fields = ("title", "content_type", "codename")


class PersonSerializer(serializers.ModelSerializer):
    email = serializers.EmailField()

    class Meta:
        model = get_user_model()
        fields = ("username", "email")


class KindSerializer(serializers.ModelSerializer):
    picture = serializers.FileField(write_only=True)

    class Meta:
        model = ContentType
        fields = ("app_label", "model", "picture")


class Open:
    authentication_classes = ()
    permission_classes = ()


class Groups(Open, viewsets.ModelViewSet):
    queryset = Group.objects.all()
    serializer_class = GroupSerializer


class Permissions(Open, generics.ListCreateAPIView):
    serializer_class = PermissionSerializer

    def get_queryset(self):
        return Permission.objects.all()


class People(Open, viewsets.ModelViewSet):
    queryset = get_user_model()._default_manager.all()
    serializer_class = PersonSerializer


class Kinds(Open, viewsets.ModelViewSet):
    queryset = ContentType.objects.all()
    serializer_class = KindSerializer


class Staff(Open, viewsets.ModelViewSet):
    queryset = Group.objects.all()
    serializer_class = GroupSerializer
    permission_classes = (permissions.IsAdminUser,)


class Whose(Open, viewsets.ModelViewSet):
    queryset = Group.objects.all()

    def get_serializer_class(self):
        raise LookupError("nobody is signed in")


class ReadOnly(Open, viewsets.ReadOnlyModelViewSet):
    queryset = Group.objects.all()
    serializer_class = GroupSerializer


router = routers.DefaultRouter()
for name, view in (
    ("groups", Groups), ("people", People), ("kinds", Kinds), ("staff", Staff),
    ("whose", Whose), ("read", ReadOnly),
):  # fmt: skip
    router.register(name, view, basename=name)
urlpatterns = [
    path("api/", include(router.urls)),
    path("api/permissions/", Permissions.as_view()),
]


@pytest.fixture
def written(tmp_path, settings, capsys, db):
    """The routes of the scenario, and what was said of it."""
    settings.PERFOPS = {**settings.PERFOPS, "SCENARIO_DIR": tmp_path}
    Group.objects.create(name="first")
    with override_settings(ROOT_URLCONF=__name__):
        call_command("k6_scenario", "first", "--writes", "--anonymous")
    return routes.read(plans.find("first").routes), capsys.readouterr().out


def test_serializers_say_the_bodies_and_what_is_made_is_found_again(written):
    found, _ = written
    assert {name for name in found if name.startswith("POST")} == {
        "POST /api/groups/", "POST /api/people/", "POST /api/permissions/",
    }  # fmt: skip
    group = found["POST /api/groups/"]
    since = group.body["since"]
    assert msgspec.structs.replace(group, share=1) == Route(
        paths=("/api/groups/",), method="POST", made="auth.Group.name", statuses=(201,),
        body={"name": "{mark}", "since": since, "kind": "large", "size": 3},
    )  # fmt: skip
    made = found["POST /api/permissions/"]
    assert made.made == "auth.Permission.name"
    assert made.body["content_type"] in ContentType.objects.values_list("pk", flat=True)
    person = found["POST /api/people/"]
    assert person.body == {"username": "{mark}", "email": "{mark}@example.invalid"}
    # Each was tried, and rolled back.
    assert not Group.objects.filter(name__startswith=writes.PREFIX).exists()


def test_routers_say_the_routes_and_why_others_are_left_out(written):
    found, said = written
    assert found["/api/groups/{pk}/"].model == "auth.Group"
    assert found["/api/permissions/"].share > 0
    assert {"/api/groups/", "/api/people/", "/api/kinds/", "/api/read/"} <= set(found)
    assert "Left out: POST /api/kinds/: nobody knows what it takes as picture" in said
    assert "Left out: POST /api/staff/: a first try answered 403" in said
    assert "Left out: POST /api/whose/: nobody is signed in" in said
    assert "POST /api/read/" not in said
    # A router adds each path once more, with a suffix for the format.
    assert "{format}" not in said
    assert not any("{format}" in name for name in found)
