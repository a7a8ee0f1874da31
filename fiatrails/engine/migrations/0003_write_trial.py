from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("engine", "0002_dead_letters")]

    operations = [
        migrations.CreateModel(
            name="WriteTrial",
            fields=[
                ("slot", models.SmallIntegerField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
            ],
            options={"db_table": "engine_write_trial"},
        ),
    ]
