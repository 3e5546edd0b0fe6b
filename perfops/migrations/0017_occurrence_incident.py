"""An analysis keeps which findings are one incident, and in which order it showed them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("perfops", "0016_origins_repeated")]

    operations = [
        migrations.AddField("occurrence", "incident", models.IntegerField(null=True)),
        migrations.AddField("occurrence", "impact", models.FloatField(null=True)),
        migrations.AddField(
            "occurrence", "apart", models.CharField(db_default="", default="", max_length=40)
        ),
    ]
