"""Put together what every part of an M-PESA works with."""

from dataclasses import dataclass

from sandbox.kit.parts import Parts
from sandbox.mpesa.book import MoneyBook
from sandbox.mpesa.config import Config
from sandbox.mpesa.ids import MpesaIds
from sandbox.mpesa.initiator import Initiator
from sandbox.mpesa.tokens import Tokens


@dataclass(frozen=True)
class World:
    """One M-PESA without its endpoints: its money, its identifiers and its secrets."""

    parts: Parts
    config: Config
    book: MoneyBook
    ids: MpesaIds
    tokens: Tokens
    initiator: Initiator

    @classmethod
    def open(cls, parts: Parts, config: Config) -> "World":
        """Read the book from the journal, which is empty at the first start."""
        book = MoneyBook(parts.journal)
        ids = MpesaIds(parts.settings.seed, book.is_taken)
        key_file = parts.settings.state_dir / "initiator.pem"
        return cls(
            parts=parts,
            config=config,
            book=book,
            ids=ids,
            tokens=Tokens(ids, config.token_s),
            initiator=Initiator(config.initiator, config.initiator_credential, key_file),
        )
