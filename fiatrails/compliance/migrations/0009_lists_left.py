"""Editions of the lists are the screening layer's now; their tables went with them."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("compliance", "0008_screening_answer"), ("screening", "0001_lists")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.DeleteModel("ListFile"),
                migrations.DeleteModel("ListVersion"),
                migrations.DeleteModel("ListFetch"),
            ],
        ),
    ]
