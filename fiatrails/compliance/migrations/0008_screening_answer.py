"""Answers of screenings as they were given, so that they can be read again. Older ones were kept in parts only."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('compliance', '0007_screening'),
    ]

    operations = [
        migrations.AddField(
            model_name='askedscreening',
            name='answer',
            field=models.TextField(blank=True, default=''),
        ),
    ]
