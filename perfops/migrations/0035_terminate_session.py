"""Who may end sessions of the database: operators. A deleted group stays deleted."""

from django.contrib.auth.management import create_permissions
from django.db import migrations, router

ROLES = ("performance operator", "performance administrator")


def permit(apps, schema_editor):
    alias = schema_editor.connection.alias
    if not router.allow_migrate(alias, "auth", model_name="group"):
        return
    # Django makes it after all migrations: the groups need it now.
    config = apps.get_app_config("perfops")
    config.models_module = True
    create_permissions(config, verbosity=0, using=alias, apps=apps)
    config.models_module = None
    permission = _permission(apps, alias)
    for group in apps.get_model("auth", "Group").objects.using(alias).filter(name__in=ROLES):
        group.permissions.add(*permission)


def forbid(apps, schema_editor):
    alias = schema_editor.connection.alias
    if router.allow_migrate(alias, "auth", model_name="group"):
        permission = _permission(apps, alias)
        for group in apps.get_model("auth", "Group").objects.using(alias).filter(name__in=ROLES):
            group.permissions.remove(*permission)


def _permission(apps, alias):
    found = apps.get_model("auth", "Permission").objects.using(alias)
    return found.filter(content_type__app_label="perfops", codename="terminate_session")


class Migration(migrations.Migration):
    dependencies = [
        ("perfops", "0034_wanted_rate"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [
        migrations.AlterModelOptions(
            name="analysis",
            options={
                "permissions": [
                    ("run_analysis", "Can start an analysis"),
                    ("terminate_session", "Can end a session of the database, or its statement"),
                ],
                "verbose_name_plural": "analyses",
            },
        ),
        migrations.RunPython(permit, forbid),
    ]
