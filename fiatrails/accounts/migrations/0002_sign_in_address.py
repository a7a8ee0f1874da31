"""Where failed sign-ins came from, so that one address does not go through many names."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("operators", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="signinfailure",
            name="address",
            field=models.CharField(blank=True, default="", max_length=64),
        ),
        migrations.AddIndex(
            model_name="signinfailure",
            index=models.Index(fields=["address", "at"], name="sign_in_failure_address"),
        ),
    ]
