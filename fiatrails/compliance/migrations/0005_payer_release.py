"""Who payers are, and which hits were found to be somebody else."""

from django.db import migrations, models

FORWARD = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON compliance_payer
    FOR EACH STATEMENT EXECUTE FUNCTION controls_refuse_change();
-- A release is approved once and never rewritten.
CREATE FUNCTION compliance_release_keep() RETURNS trigger
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
CREATE TRIGGER keep BEFORE UPDATE ON compliance_release
    FOR EACH ROW EXECUTE FUNCTION compliance_release_keep();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON compliance_release
    FOR EACH STATEMENT EXECUTE FUNCTION controls_refuse_change();
"""
BACKWARD = """
DROP TRIGGER append_only ON compliance_payer;
DROP TRIGGER keep ON compliance_release;
DROP TRIGGER append_only ON compliance_release;
DROP FUNCTION compliance_release_keep();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('compliance', '0004_lists'),
    ]

    operations = [
        migrations.CreateModel(
            name='Payer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('user', models.CharField(max_length=42)),
                ('name', models.CharField(max_length=500)),
                ('type', models.CharField(blank=True, default='', max_length=16)),
                ('born', models.DateField(null=True)),
                ('countries', models.JSONField(default=list)),
                ('identifiers', models.JSONField(default=list)),
                ('recorded_at', models.DateTimeField()),
                ('recorded_by', models.CharField(max_length=64)),
            ],
            options={
                'db_table': 'compliance_payer',
                'indexes': [models.Index(fields=['user', '-id'], name='payer_user')],
            },
        ),
        migrations.CreateModel(
            name='Release',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('user', models.CharField(max_length=42)),
                ('entity', models.CharField(max_length=64)),
                ('entity_uid', models.CharField(max_length=64)),
                ('entity_name', models.TextField()),
                ('reason', models.TextField()),
                ('requested_at', models.DateTimeField()),
                ('requested_by', models.CharField(max_length=64)),
                ('approved_at', models.DateTimeField(null=True)),
                ('approved_by', models.CharField(blank=True, default='', max_length=64)),
            ],
            options={
                'db_table': 'compliance_release',
                'constraints': [models.UniqueConstraint(fields=('user', 'entity'), name='release_once'), models.CheckConstraint(condition=models.Q(('approved_by', models.F('requested_by')), _negated=True), name='release_by_two')],
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
