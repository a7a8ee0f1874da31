from django.db import migrations


class Migration(migrations.Migration):
    """Entry and account kinds are data of `ledger.accounts`; `verify` compares every row with them."""

    dependencies = [
        ('ledger', '0002_currencies'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='account',
            name='ledger_account_kind',
        ),
        migrations.RemoveConstraint(
            model_name='entry',
            name='ledger_entry_kind',
        ),
    ]
