"""perfops' groups see the cache's page; administrators clear it. A deleted group stays deleted."""

from django.contrib.auth.management import create_permissions
from django.db import migrations, router

ROLES = {
    "performance viewer": ("view_cache",),
    "performance operator": ("view_cache",),
    "performance administrator": ("view_cache", "clear_cache"),
}


def permit(apps, schema_editor):
    alias = schema_editor.connection.alias
    if not router.allow_migrate(alias, "auth", model_name="group"):
        return
    # Django makes them after all migrations: the groups need them now.
    config = apps.get_app_config("operations")
    config.models_module = True
    create_permissions(config, verbosity=0, using=alias, apps=apps)
    config.models_module = None
    for group, permissions in _each(apps, alias):
        group.permissions.add(*permissions)


def forbid(apps, schema_editor):
    alias = schema_editor.connection.alias
    if router.allow_migrate(alias, "auth", model_name="group"):
        for group, permissions in _each(apps, alias):
            group.permissions.remove(*permissions)


def _each(apps, alias):
    permissions = apps.get_model("auth", "Permission").objects.using(alias)
    for group in apps.get_model("auth", "Group").objects.using(alias).filter(name__in=ROLES):
        codenames = ROLES[group.name]
        yield (
            group,
            permissions.filter(content_type__app_label="operations", codename__in=codenames),
        )


class Migration(migrations.Migration):
    dependencies = [
        ("operations", "0001_initial"),
        ("perfops", "0023_roles"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(permit, forbid)]
