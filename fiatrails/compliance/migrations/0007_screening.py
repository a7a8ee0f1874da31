"""What API clients asked of the lists, and what they were answered."""

from django.db import migrations, models

FORWARD = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON compliance_screening
    FOR EACH STATEMENT EXECUTE FUNCTION controls_refuse_change();
"""
BACKWARD = "DROP TRIGGER append_only ON compliance_screening;"


class Migration(migrations.Migration):

    dependencies = [
        ('compliance', '0006_cases'),
    ]

    operations = [
        migrations.CreateModel(
            name='AskedScreening',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('screening_id', models.CharField(max_length=32, unique=True)),
                ('client', models.CharField(max_length=64)),
                ('asked_at', models.DateTimeField()),
                ('inputs', models.JSONField()),
                ('lists', models.JSONField()),
                ('list_digest', models.CharField(max_length=64)),
                ('algorithm', models.CharField(max_length=32)),
                ('band', models.CharField(max_length=8)),
                ('problem', models.TextField(blank=True, default='')),
                ('hits', models.JSONField()),
            ],
            options={
                'db_table': 'compliance_screening',
                'indexes': [models.Index(fields=['client', '-id'], name='screening_client')],
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
