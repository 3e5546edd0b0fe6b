"""IndexAdvice becomes Recommendation; findings about impact keep their mutes. No data is lost."""

import hashlib

import django.db.models.deletion
from django.db import migrations, models

_OLD, _NEW = "index_aftermath", "index_impact"


def _renamed(apps, before, after):
    """Give the findings of one advisor the ID of the other, and the fingerprint that goes with it."""
    findings = apps.get_model("perfops", "Finding").objects.filter(advisor=before)
    for finding in findings:
        finding.advisor = after
        finding.fingerprint = hashlib.sha256(f"{after}\0{finding.object}".encode()).hexdigest()
        finding.save(update_fields=["advisor", "fingerprint"])


def forwards(apps, schema_editor):
    _renamed(apps, _OLD, _NEW)


def backwards(apps, schema_editor):
    _renamed(apps, _NEW, _OLD)


class Migration(migrations.Migration):
    dependencies = [("perfops", "0012_one_word_per_thing")]

    operations = [
        migrations.RenameModel("IndexAdvice", "Recommendation"),
        migrations.AlterModelOptions("recommendation", {}),
        migrations.AlterField(
            "recommendation",
            "finding",
            models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="recommendation",
                to="perfops.finding",
            ),
        ),
        migrations.RunPython(forwards, backwards),
    ]
