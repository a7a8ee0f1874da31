"""Editions of the lists come from the compliance layer, under the name of this layer."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

FORWARD = """
ALTER TABLE compliance_list_version RENAME TO screening_list_version;
ALTER TABLE compliance_list_file RENAME TO screening_list_file;
ALTER TABLE compliance_list_fetch RENAME TO screening_list_fetch;
ALTER INDEX compliance_list_version_pkey RENAME TO screening_list_version_pkey;
ALTER INDEX compliance_list_file_pkey RENAME TO screening_list_file_pkey;
ALTER INDEX compliance_list_fetch_pkey RENAME TO screening_list_fetch_pkey;
ALTER SEQUENCE compliance_list_version_id_seq RENAME TO screening_list_version_id_seq;
ALTER SEQUENCE compliance_list_file_id_seq RENAME TO screening_list_file_id_seq;
ALTER FUNCTION compliance_list_keep RENAME TO screening_list_keep;
"""
BACKWARD = """
ALTER FUNCTION screening_list_keep RENAME TO compliance_list_keep;
ALTER SEQUENCE screening_list_file_id_seq RENAME TO compliance_list_file_id_seq;
ALTER SEQUENCE screening_list_version_id_seq RENAME TO compliance_list_version_id_seq;
ALTER INDEX screening_list_fetch_pkey RENAME TO compliance_list_fetch_pkey;
ALTER INDEX screening_list_file_pkey RENAME TO compliance_list_file_pkey;
ALTER INDEX screening_list_version_pkey RENAME TO compliance_list_version_pkey;
ALTER TABLE screening_list_fetch RENAME TO compliance_list_fetch;
ALTER TABLE screening_list_file RENAME TO compliance_list_file;
ALTER TABLE screening_list_version RENAME TO compliance_list_version;
"""
STATES = [("candidate", "Candidate"), ("active", "Active"), ("superseded", "Superseded"), ("refused", "Refused")]


class Migration(migrations.Migration):
    initial = True
    dependencies = [("compliance", "0008_screening_answer")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(FORWARD, BACKWARD)],
            state_operations=[
                migrations.CreateModel(
                    name="ListFetch",
                    fields=[
                        ("url", models.TextField(primary_key=True, serialize=False)),
                        ("etag", models.TextField(blank=True, default="")),
                        ("last_modified", models.TextField(blank=True, default="")),
                        ("sha256", models.CharField(max_length=64)),
                        ("fetched_at", models.DateTimeField()),
                    ],
                    options={"db_table": "screening_list_fetch"},
                ),
                migrations.CreateModel(
                    name="ListVersion",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("source", models.CharField(max_length=32)),
                        ("digest", models.CharField(max_length=64)),
                        ("published", models.DateField(null=True)),
                        ("loaded_at", models.DateTimeField()),
                        ("fetched_at", models.DateTimeField()),
                        ("files_stored", models.BooleanField()),
                        ("entities", models.PositiveIntegerField()),
                        ("names", models.PositiveIntegerField()),
                        ("wallets", models.PositiveIntegerField()),
                        ("is_sample", models.BooleanField()),
                        ("state", models.CharField(choices=STATES, max_length=16)),
                        ("activated_at", models.DateTimeField(null=True)),
                        ("activated_by", models.TextField(blank=True, default="")),
                        ("note", models.TextField(blank=True, default="")),
                    ],
                    options={
                        "db_table": "screening_list_version",
                        "indexes": [models.Index(fields=["source", "-id"], name="list_of_source")],
                        "constraints": [
                            models.UniqueConstraint(fields=["source"], condition=Q(state="active"), name="list_one_active"),
                            models.CheckConstraint(
                                condition=Q(state__in=["active", "superseded"], activated_at__isnull=False, files_stored=True)
                                | Q(state__in=["candidate", "refused"], activated_at=None),
                                name="list_activated_when",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ListFile",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("name", models.CharField(max_length=64)),
                        ("sha256", models.CharField(max_length=64)),
                        ("content", models.BinaryField()),
                        (
                            "version",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="files",
                                to="screening.listversion",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "screening_list_file",
                        "constraints": [models.UniqueConstraint(fields=["version", "name"], name="list_file_once")],
                    },
                ),
            ],
        ),
    ]
