from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Cache",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                )
            ],
            options={
                "verbose_name": "cache",
                "verbose_name_plural": "cache",
                "permissions": [
                    ("view_cache", "Can see how the cache does"),
                    ("clear_cache", "Can clear the cache"),
                ],
                "managed": False,
                "default_permissions": (),
            },
        )
    ]
