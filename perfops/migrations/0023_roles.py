"""Groups to put people into. Made once: what is changed or deleted afterwards stays so."""

from django.contrib.auth.management import create_permissions
from django.db import migrations, router

VIEW = (
    "view_loadrun",
    "view_analysis",
    "view_finding",
    "view_budget",
    "view_querytemplate",
    "view_scopetotal",
)
OPERATE = ("run_loadrun", "cancel_loadrun", "run_analysis", "mute_finding", "explain_query")
ADMINISTER = (
    "add_budget",
    "change_budget",
    "delete_budget",
    "delete_loadrun",
    "delete_analysis",
    "delete_finding",
)
ROLES = {
    "performance viewer": VIEW,
    "performance operator": VIEW + OPERATE,
    "performance administrator": VIEW + OPERATE + ADMINISTER,
}


def make_groups(apps, schema_editor):
    alias = schema_editor.connection.alias
    if not router.allow_migrate(alias, "auth", model_name="group"):
        return
    # Django makes them after all migrations: these groups need them now.
    config = apps.get_app_config("perfops")
    config.models_module = True
    create_permissions(config, verbosity=0, using=alias, apps=apps)
    config.models_module = None
    permissions = apps.get_model("auth", "Permission").objects.using(alias)
    for name, codenames in ROLES.items():
        group, is_new = (
            apps.get_model("auth", "Group").objects.using(alias).get_or_create(name=name)
        )
        if is_new:
            group.permissions.set(
                permissions.filter(content_type__app_label="perfops", codename__in=codenames)
            )


def remove_groups(apps, schema_editor):
    """Leave one that somebody is in: it is no empty group of ours any more."""
    alias = schema_editor.connection.alias
    if router.allow_migrate(alias, "auth", model_name="group"):
        groups = apps.get_model("auth", "Group").objects.using(alias)
        groups.filter(name__in=ROLES, user__isnull=True).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("perfops", "0022_statements_of_load_runs"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(make_groups, remove_groups)]
