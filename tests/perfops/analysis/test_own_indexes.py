"""What perfops tells others, its own tables and the project's keep to."""

from dataclasses import replace

import pytest
from django.apps import apps
from django.conf import settings

from perfops.analysis.advisors import duplicate_indexes
from perfops.analysis.collectors import difference, snapshot
from perfops.conf import Conf
from perfops.database import packages

pytestmark = pytest.mark.django_db


def ours():
    root = str(settings.BASE_DIR)
    return {
        model._meta.db_table
        for app in apps.get_app_configs()
        if app.path.startswith(root) and "site-packages" not in app.path
        for model in app.get_models(include_auto_created=True)
    }


def test_no_index_of_ours_is_there_twice():
    window = difference.since_reset(snapshot.take("default"))
    mine = {f"public.{table}" for table in ours()}
    assert len(mine & {f"{i.schema}.{i.table}" for i in window.after.indexes}) > 20
    found = duplicate_indexes.run(window, Conf())
    # Django's own tables have some: what joins two of its models. Nobody can act on them.
    assert found != []
    assert [each.title for each in found if each.evidence["table"] in mine] == []
    window = replace(window, packages=packages.of_tables("default"))
    assert duplicate_indexes.run(window, Conf()) == []
