"""Suspensions are rows of a queue: leased, fenced, with the cause of the last failure."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("compliance", "0009_lists_left")]
    operations = [
        migrations.AddField("suspension", "lease_until", models.DateTimeField(null=True)),
        migrations.AddField("suspension", "fence", models.BigIntegerField(default=0)),
        migrations.AddField("suspension", "last_error", models.TextField(blank=True, default="")),
        migrations.AlterField("suspension", "attempts", models.IntegerField(default=0)),
        migrations.AlterField("suspension", "due_at", models.DateTimeField(null=True)),
    ]
