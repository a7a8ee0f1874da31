"""Draw identifiers, and write times, in M-PESA's own forms."""

import string
from datetime import UTC, datetime, timedelta, timezone

from sandbox.kit.ids import Ids

EAT = timezone(timedelta(hours=3), "EAT")
_ALPHABET = string.ascii_uppercase + string.digits
_DAYS = string.digits[1:] + string.ascii_uppercase


def now_eat() -> datetime:
    """Return the time in Nairobi, as M-PESA writes it."""
    return datetime.now(UTC).astimezone(EAT)


def compact(moment: datetime) -> str:
    """Write a time as YYYYMMDDHHmmss."""
    return moment.strftime("%Y%m%d%H%M%S")


def from_epoch(seconds: float) -> datetime:
    """Return a time in epoch seconds as Nairobi time."""
    return datetime.fromtimestamp(seconds, EAT)


class MpesaIds(Ids):
    """The receipts, tokens and request ids of one M-PESA."""

    def receipt(self) -> str:
        """Return ten characters: year, month and day as M-PESA encodes them, then seven drawn."""
        now = now_eat()
        year = string.ascii_uppercase[(now.year - 2006) % 26]
        prefix = f"{year}{string.ascii_uppercase[now.month - 1]}{_DAYS[now.day - 1]}"
        return self.fresh(lambda: prefix + self.draw(_ALPHABET, 7))

    def checkout(self, msisdn: str) -> str:
        """Return a CheckoutRequestID."""
        date = now_eat().strftime("%d%m%Y%H%M%S")
        return self.fresh(lambda: f"ws_CO_{date}{self.draw(string.digits, 6)}{msisdn[-9:]}")

    def originator(self) -> str:
        """Return a MerchantRequestID or OriginatorConversationID of Daraja's making."""
        return self.fresh(lambda: f"{self._hex(4)}-{self._hex(4)}-{self._hex(4)}-{self._hex(16)}")

    def conversation(self) -> str:
        """Return a ConversationID."""
        date = now_eat().strftime("%Y%m%d")
        return self.fresh(lambda: f"AG_{date}_{self._hex(20)}")

    def token(self) -> str:
        """Return an access token."""
        return self.fresh(lambda: self.draw(string.ascii_letters + string.digits, 28))

    def _hex(self, length: int) -> str:
        return self.draw("0123456789abcdef", length)
