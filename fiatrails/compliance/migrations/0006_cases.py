"""The review queue, on-chain suspensions, rescreenings; releases that can be taken back."""

from django.db import migrations, models

FORWARD = """
-- A release is approved once, taken back once, and otherwise not rewritten.
CREATE OR REPLACE FUNCTION compliance_release_keep() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.revoked_at IS NOT NULL
       OR (OLD.approved_at IS NOT NULL
           AND (OLD.approved_at, OLD.approved_by) IS DISTINCT FROM (NEW.approved_at, NEW.approved_by))
       OR (OLD.id, OLD."user", OLD.entity, OLD.entity_uid, OLD.entity_name, OLD.reason, OLD.requested_at, OLD.requested_by)
          IS DISTINCT FROM
          (NEW.id, NEW."user", NEW.entity, NEW.entity_uid, NEW.entity_name, NEW.reason, NEW.requested_at, NEW.requested_by)
    THEN
        RAISE EXCEPTION 'a release is approved once, taken back once, and not changed'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
-- What a case is about stays as it was found; its end is its end.
CREATE FUNCTION compliance_case_keep() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state IN ('released', 'gone')
       OR (OLD.id, OLD."user", OLD.entity, OLD.entity_uid, OLD.entity_name, OLD.band, OLD.reason, OLD.evidence,
           OLD.origin, OLD.intent_id, OLD.opened_at)
          IS DISTINCT FROM
          (NEW.id, NEW."user", NEW.entity, NEW.entity_uid, NEW.entity_name, NEW.band, NEW.reason, NEW.evidence,
           NEW.origin, NEW.intent_id, NEW.opened_at)
    THEN
        RAISE EXCEPTION 'what a case was opened on is not changed, and an ended one not at all'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER keep BEFORE UPDATE ON compliance_case FOR EACH ROW EXECUTE FUNCTION compliance_case_keep();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON compliance_case
    FOR EACH STATEMENT EXECUTE FUNCTION controls_refuse_change();
"""
BACKWARD = """
DROP TRIGGER keep ON compliance_case;
DROP TRIGGER append_only ON compliance_case;
DROP FUNCTION compliance_case_keep();
CREATE OR REPLACE FUNCTION compliance_release_keep() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.approved_at IS NOT NULL
       OR (OLD.id, OLD."user", OLD.entity, OLD.entity_uid, OLD.entity_name, OLD.reason, OLD.requested_at, OLD.requested_by)
          IS DISTINCT FROM
          (NEW.id, NEW."user", NEW.entity, NEW.entity_uid, NEW.entity_name, NEW.reason, NEW.requested_at, NEW.requested_by)
    THEN
        RAISE EXCEPTION 'a release is approved once and not changed' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('compliance', '0005_payer_release'),
    ]

    operations = [
        migrations.CreateModel(
            name='Case',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('user', models.CharField(max_length=42)),
                ('entity', models.CharField(max_length=64)),
                ('entity_uid', models.CharField(blank=True, default='', max_length=64)),
                ('entity_name', models.TextField()),
                ('band', models.CharField(max_length=8)),
                ('reason', models.TextField()),
                ('evidence', models.JSONField()),
                ('origin', models.CharField(max_length=16)),
                ('intent_id', models.CharField(blank=True, default='', max_length=66)),
                ('state', models.CharField(choices=[('open', 'open'), ('release_requested', 'release_requested'), ('confirmed', 'confirmed'), ('released', 'released'), ('gone', 'gone')], max_length=20)),
                ('opened_at', models.DateTimeField()),
                ('moved_at', models.DateTimeField()),
                ('moved_by', models.CharField(max_length=64)),
                ('note', models.TextField(blank=True, default='')),
            ],
            options={
                'db_table': 'compliance_case',
            },
        ),
        migrations.CreateModel(
            name='Rescreening',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('lists', models.JSONField()),
                ('digest', models.CharField(max_length=64)),
                ('algorithm', models.CharField(max_length=32)),
                ('started_at', models.DateTimeField()),
                ('finished_at', models.DateTimeField(null=True)),
                ('cursor', models.CharField(blank=True, default='', max_length=42)),
                ('screened', models.PositiveIntegerField(default=0)),
                ('opened', models.PositiveIntegerField(default=0)),
                ('closed', models.PositiveIntegerField(default=0)),
            ],
            options={
                'db_table': 'compliance_rescreening',
            },
        ),
        migrations.CreateModel(
            name='Suspension',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('user', models.CharField(max_length=42)),
                ('wanted', models.CharField(max_length=16)),
                ('settled_at', models.DateTimeField(null=True)),
                ('slot_id', models.BigIntegerField(null=True)),
                ('risk_score', models.PositiveSmallIntegerField(null=True)),
                ('attestation_hash', models.CharField(blank=True, default='', max_length=66)),
                ('attempts', models.PositiveIntegerField(default=0)),
                ('due_at', models.DateTimeField()),
                ('opened_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'compliance_suspension',
            },
        ),
        migrations.RemoveConstraint(
            model_name='release',
            name='release_once',
        ),
        migrations.AddField(
            model_name='release',
            name='revoked_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='release',
            name='revoked_by',
            field=models.CharField(blank=True, default='', max_length=64),
        ),
        migrations.AddIndex(
            model_name='decision',
            index=models.Index(fields=['user'], name='decision_user'),
        ),
        migrations.AddConstraint(
            model_name='release',
            constraint=models.UniqueConstraint(condition=models.Q(('revoked_at', None)), fields=('user', 'entity'), name='release_once'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(fields=['state', 'id'], name='case_queue'),
        ),
        migrations.AddConstraint(
            model_name='case',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ['open', 'release_requested', 'confirmed'])), fields=('user', 'entity'), name='case_stands_once'),
        ),
        migrations.AddIndex(
            model_name='suspension',
            index=models.Index(condition=models.Q(('settled_at', None)), fields=['due_at'], name='suspension_due'),
        ),
        migrations.AddConstraint(
            model_name='suspension',
            constraint=models.UniqueConstraint(condition=models.Q(('settled_at__isnull', False), ('wanted', 'restored'), _negated=True), fields=('user',), name='suspension_once'),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
