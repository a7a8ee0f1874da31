"""Editions of the lists: kept as they came, one in force per source."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

RULES = """
-- What was loaded stays as it was loaded. Of an edition, the state moves on and the last sight of it at its source.
CREATE FUNCTION compliance_list_keep() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD.source, OLD.digest, OLD.published, OLD.loaded_at, OLD.files_stored, OLD.entities, OLD.names,
        OLD.wallets, OLD.is_sample, OLD.note)
       IS DISTINCT FROM
       (NEW.id, NEW.source, NEW.digest, NEW.published, NEW.loaded_at, NEW.files_stored, NEW.entities, NEW.names,
        NEW.wallets, NEW.is_sample, NEW.note)
       OR NEW.fetched_at < OLD.fetched_at
       OR (NEW.state <> OLD.state
           AND (OLD.state, NEW.state) NOT IN (('candidate', 'active'), ('active', 'superseded')))
       OR (OLD.state <> 'candidate'
           AND (OLD.activated_at, OLD.activated_by) IS DISTINCT FROM (NEW.activated_at, NEW.activated_by)) THEN
        RAISE EXCEPTION 'an edition of a list is not changed: load another one' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER keep BEFORE UPDATE ON compliance_list_version
    FOR EACH ROW EXECUTE FUNCTION compliance_list_keep();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON compliance_list_version
    FOR EACH STATEMENT EXECUTE FUNCTION controls_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON compliance_list_file
    FOR EACH STATEMENT EXECUTE FUNCTION controls_refuse_change();
"""
UNDO = """
DROP TRIGGER append_only ON compliance_list_file;
DROP TRIGGER append_only ON compliance_list_version;
DROP TRIGGER keep ON compliance_list_version;
DROP FUNCTION compliance_list_keep;
"""
STATES = [("candidate", "Candidate"), ("active", "Active"), ("superseded", "Superseded"), ("refused", "Refused")]


class Migration(migrations.Migration):
    dependencies = [("compliance", "0003_velocity"), ("controls", "0001_initial")]
    operations = [
        migrations.CreateModel(
            name="ListFetch",
            fields=[
                ("url", models.TextField(primary_key=True, serialize=False)),
                ("etag", models.TextField(blank=True, default="")),
                ("last_modified", models.TextField(blank=True, default="")),
                ("sha256", models.CharField(max_length=64)),
                ("fetched_at", models.DateTimeField()),
            ],
            options={"db_table": "compliance_list_fetch"},
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
                "db_table": "compliance_list_version",
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
                        to="compliance.listversion",
                    ),
                ),
            ],
            options={
                "db_table": "compliance_list_file",
                "constraints": [models.UniqueConstraint(fields=["version", "name"], name="list_file_once")],
            },
        ),
        migrations.RunSQL(RULES, UNDO),
    ]
