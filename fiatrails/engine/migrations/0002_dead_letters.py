"""Dead letters come from the controls, under the name of this layer; what they are about is their `subject`."""

from django.db import migrations, models
from django.db.models import Q

FORWARD = """
ALTER TABLE controls_dead_letter RENAME TO engine_dead_letter;
ALTER TABLE engine_dead_letter RENAME COLUMN intent_id TO subject;
ALTER INDEX controls_dead_letter_pkey RENAME TO engine_dead_letter_pkey;
ALTER SEQUENCE controls_dead_letter_id_seq RENAME TO engine_dead_letter_id_seq;
"""
BACKWARD = """
ALTER SEQUENCE engine_dead_letter_id_seq RENAME TO controls_dead_letter_id_seq;
ALTER INDEX engine_dead_letter_pkey RENAME TO controls_dead_letter_pkey;
ALTER TABLE engine_dead_letter RENAME COLUMN subject TO intent_id;
ALTER TABLE engine_dead_letter RENAME TO controls_dead_letter;
"""
STATES = [("open", "Open"), ("replayed", "Replayed"), ("discarded", "Discarded"), ("resolved", "Resolved")]


class Migration(migrations.Migration):
    dependencies = [("engine", "0001_initial"), ("controls", "0002_audit_subject")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(FORWARD, BACKWARD)],
            state_operations=[
                migrations.CreateModel(
                    name="DeadLetter",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("operation", models.CharField(max_length=64)),
                        ("subject", models.TextField()),
                        ("attempts", models.IntegerField()),
                        ("last_error", models.TextField()),
                        ("error_class", models.CharField(max_length=128)),
                        ("created_at", models.DateTimeField()),
                        ("payload", models.JSONField()),
                        ("state", models.CharField(choices=STATES, default="open", max_length=16)),
                        ("resolved_at", models.DateTimeField(null=True)),
                        ("actor", models.TextField(blank=True, default="")),
                        ("reason", models.TextField(blank=True, default="")),
                    ],
                    options={
                        "db_table": "engine_dead_letter",
                        "indexes": [models.Index(condition=Q(state="open"), fields=["created_at"], name="dead_letter_open")],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=Q(state="open"), fields=("operation", "subject"), name="dead_letter_open_once"
                            ),
                            models.CheckConstraint(
                                condition=Q(state="open", resolved_at=None)
                                | (~Q(state="open") & Q(resolved_at__isnull=False)),
                                name="dead_letter_closed_when",
                            ),
                        ],
                    },
                ),
            ],
        ),
    ]
