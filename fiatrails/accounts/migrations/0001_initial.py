"""Failed sign-ins, the permission to decide, the group of those who have it, and one form for the names of accounts."""

from django.db import migrations, models

OFFICERS = "Compliance officers"
PERMISSIONS = (
    ("compliance", "case", "view_case", "Can view case"),
    ("compliance", "payer", "view_payer", "Can view payer"),
    ("compliance", "release", "view_release", "Can view release"),
    ("operators", "decidedcase", "decide_case", "Can decide about sanctions hits"),
)
# Names stand in the audit log as who acted, so two that differ by case only must not be two people.
FORWARD = """
ALTER TABLE auth_user ADD CONSTRAINT operators_username_form CHECK (username ~ '^[a-z0-9][a-z0-9._-]{0,63}$');
"""
BACKWARD = "ALTER TABLE auth_user DROP CONSTRAINT operators_username_form;"


def make_officers(apps, schema_editor):
    """Django makes the permissions after all migrations; those of the group are made here, as it would make them."""
    content_types = apps.get_model("contenttypes", "ContentType").objects
    permissions = apps.get_model("auth", "Permission").objects
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=OFFICERS)
    for app_label, model, codename, name in PERMISSIONS:
        content_type, _ = content_types.get_or_create(app_label=app_label, model=model)
        permission, _ = permissions.get_or_create(
            content_type_id=content_type.pk, codename=codename, defaults={"name": name}
        )
        group.permissions.add(permission.pk)


def remove_officers(apps, schema_editor):
    apps.get_model("auth", "Group").objects.filter(name=OFFICERS).delete()


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("compliance", "0006_cases"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.CreateModel(
            name="SignInFailure",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=150)),
                ("at", models.DateTimeField()),
            ],
            options={"db_table": "operators_sign_in_failure", "default_permissions": ()},
        ),
        migrations.AddIndex(
            model_name="signinfailure",
            index=models.Index(fields=["name", "at"], name="sign_in_failure_name"),
        ),
        migrations.CreateModel(
            name="DecidedCase",
            fields=[],
            options={
                "proxy": True,
                "default_permissions": (),
                "permissions": [("decide_case", "Can decide about sanctions hits")],
                "indexes": [],
                "constraints": [],
            },
            bases=("compliance.case",),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
        migrations.RunPython(make_officers, remove_officers),
    ]
