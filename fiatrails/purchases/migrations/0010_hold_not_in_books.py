"""Purchases may be held because the books do not have their money."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('purchases', '0009_wait_for_the_chain'),
    ]

    operations = [
        migrations.AlterField(
            model_name='purchase',
            name='hold',
            field=models.CharField(blank=True, choices=[('amount_mismatch', 'amount_mismatch'), ('not_compliant', 'not_compliant'), ('sanctions', 'sanctions'), ('velocity', 'velocity'), ('late_payment', 'late_payment'), ('chain_refused', 'chain_refused'), ('refund_failed', 'refund_failed'), ('operator', 'operator'), ('not_in_books', 'not_in_books')], default='', max_length=20),
        ),
    ]
