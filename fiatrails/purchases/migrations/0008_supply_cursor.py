from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("purchases", "0007_daily_limit")]

    operations = [
        migrations.CreateModel(
            name="SupplyCursor",
            fields=[
                ("chain", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("place", models.BigIntegerField(default=-1)),
                ("coins", models.JSONField(default=list)),
            ],
            options={"db_table": "purchases_supply_cursor"},
        ),
    ]
