"""Tables of the ledger. PostgreSQL holds their rules (`migrations`), so that no caller can skip them.

Postings and links carry no foreign keys: checking one locks the referenced row, and every payment shares the
same few accounts. A statement trigger checks the same thing for all rows at once, and referenced rows can
never go.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from fiatrails.ledger.accounts import CODE_LENGTH

# 78 digits hold any uint256; the sign is not a digit.
AMOUNT_DIGITS = 78
BALANCE_DIGITS = 100


class Currency(models.Model):
    """The database's copy of `kernel.currencies`: `scale` is the number of decimals of the smallest unit."""

    code = models.CharField(max_length=16, primary_key=True)
    scale = models.SmallIntegerField()

    class Meta:
        db_table = "ledger_currency"

    def __str__(self) -> str:
        return self.code


class Account(models.Model):
    """One account in one currency. Its kind and the shape of its code are those of its family in `accounts`."""

    code = models.CharField(max_length=CODE_LENGTH)
    kind = models.CharField(max_length=16)
    currency = models.CharField(max_length=16)

    class Meta:
        db_table = "ledger_account"
        constraints = [models.UniqueConstraint(fields=["code"], name="ledger_account_code_once")]

    def __str__(self) -> str:
        return self.code


class Entry(models.Model):
    """One business event. `key` makes it unique for ever; `reference` is the intent it belongs to, if any."""

    key = models.TextField()
    kind = models.CharField(max_length=16)
    reference = models.TextField()
    at = models.DateTimeField()
    memo = models.TextField()

    class Meta:
        db_table = "ledger_entry"
        # As a constraint and not `unique=True`, which would add a second index for LIKE on the hottest
        # insert.
        constraints = [
            models.UniqueConstraint(fields=["key"], name="ledger_entry_key_once"),
            models.CheckConstraint(condition=~Q(key=""), name="ledger_entry_key"),
        ]

    def __str__(self) -> str:
        return self.key


class Posting(models.Model):
    """One signed line of an entry, debit positive, in minor units (fiat) or base units (tokens)."""

    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, db_constraint=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, db_constraint=False, db_index=False)
    currency = models.CharField(max_length=16)
    amount = models.DecimalField(max_digits=AMOUNT_DIGITS, decimal_places=0)

    class Meta:
        db_table = "ledger_posting"
        constraints = [models.CheckConstraint(condition=~Q(amount=0), name="ledger_posting_amount")]


class Link(models.Model):
    """One link of the hash chain, written by the database at COMMIT: digest = sha256(previous || content)."""

    seq = models.BigIntegerField(primary_key=True)
    entry = models.OneToOneField(Entry, on_delete=models.PROTECT, db_constraint=False)
    previous = models.BinaryField()
    digest = models.BinaryField()

    class Meta:
        db_table = "ledger_chain"


class Checkpoint(models.Model):
    """The balance of one account over all entries up to link `seq`, debit positive. The database writes one for each
    account that moved, every 512 links at COMMIT; nothing is ever written that was not posted."""

    pk = models.CompositePrimaryKey("account_id", "seq")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, db_constraint=False, db_index=False)
    seq = models.BigIntegerField()
    balance = models.DecimalField(max_digits=BALANCE_DIGITS, decimal_places=0)

    class Meta:
        db_table = "ledger_checkpoint"
        indexes = [models.Index(fields=["seq"], name="ledger_checkpoint_seq")]
