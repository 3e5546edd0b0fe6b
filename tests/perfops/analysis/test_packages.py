"""What belongs to an installed package is known, and what only looks like it is not."""

import sysconfig
from pathlib import Path

import django
import pytest
from django.conf import settings
from django.contrib.auth.models import AbstractUser, Group
from django.db import connections, models
from django.test.utils import isolate_apps

from perfops.database import packages, replicas
from perfops.indexes import declaration
from perfops.models import Sample


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (Path(django.__path__[0]) / "contrib/auth/models.py", True),
        (Path(sysconfig.get_paths()["stdlib"]) / "json/decoder.py", True),
        (Path(settings.BASE_DIR) / "env/lib/python3.12/site-packages/shop/models.py", True),
        (Path("/usr/lib/python3/dist-packages/shop/models.py"), True),
        (Path(settings.BASE_DIR) / "perfops/models/runs.py", False),
        (Path("/libraries/ours/models.py"), False),
    ],
)
def test_packages_are_told_by_their_place(path, expected):
    assert packages.is_installed(path) == expected


def test_tables_of_packages_are_named_and_ours_are_not():
    found = packages.of_tables("default")
    assert found["auth_group_permissions"] == "django.contrib.auth"
    assert found["django_celery_beat_periodictask"] == "django_celery_beat"
    assert [table for table in found if table.startswith(("perfops_", "profiles_"))] == []


class OnlyThePrimary:
    """What projects with read replicas have: nothing is migrated there."""

    def allow_migrate(self, db, app_label, **hints):
        return db == "default"


def test_a_read_replica_has_the_models_of_its_primary(monkeypatch, settings):
    settings.DATABASE_ROUTERS = [f"{__name__}.OnlyThePrimary"]
    mirror = {**connections.settings["default"], "TEST": {"MIRROR": "default"}}
    monkeypatch.setitem(connections.settings, "replica", mirror)
    monkeypatch.setitem(connections.settings, "other", {**mirror, "TEST": {}})
    assert packages.of_tables("replica") == packages.of_tables("default") != {}
    assert declaration.model_of("perfops_sample", "replica") is Sample
    # Its server does not say that it is one.
    monkeypatch.setattr(replicas, "_place", lambda _: None)
    assert packages.of_tables("other") == {}
    with pytest.raises(declaration.NotDjangos):
        declaration.model_of("perfops_sample", "other")


@isolate_apps("perfops")
def test_a_join_belongs_to_whoever_declares_its_field():
    class Person(AbstractUser):
        friends = models.ManyToManyField("self")

        class Meta:
            app_label = "perfops"

    class Other(AbstractUser):
        groups = models.ManyToManyField(Group)

        class Meta:
            app_label = "perfops"

    def package_of(model, name):
        return packages.of_model(model._meta.get_field(name).remote_field.through)

    assert package_of(Person, "groups") == "django.contrib.auth"
    assert package_of(Person, "friends") == ""
    assert package_of(Other, "groups") == ""
    assert packages.of_model(Person) == ""
