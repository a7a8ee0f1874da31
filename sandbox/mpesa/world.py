"""What every part of the simulator works with."""

from dataclasses import dataclass

from sandbox.mpesa.book import Book
from sandbox.mpesa.config import Config
from sandbox.mpesa.courier import Courier
from sandbox.mpesa.faults import Faults
from sandbox.mpesa.ids import Ids
from sandbox.mpesa.initiator import Initiator
from sandbox.mpesa.journal import Journal
from sandbox.mpesa.scheduler import Scheduler
from sandbox.mpesa.tokens import Tokens


@dataclass(frozen=True)
class World:
    """One M-PESA without its doors: money, clockwork and faults."""

    config: Config
    book: Book
    ids: Ids
    faults: Faults
    scheduler: Scheduler
    courier: Courier
    tokens: Tokens
    initiator: Initiator

    @classmethod
    def open(cls, config: Config) -> "World":
        """Read the book of a state directory, or begin one."""
        config.state_dir.mkdir(parents=True, exist_ok=True)
        book = Book(Journal(config.state_dir / "book.jsonl"))
        faults, scheduler = Faults(config.seed), Scheduler()
        ids = Ids(config.seed, book.is_taken)
        key_file = config.state_dir / "initiator.pem"
        return cls(
            config=config,
            book=book,
            ids=ids,
            faults=faults,
            scheduler=scheduler,
            courier=Courier(faults, scheduler),
            tokens=Tokens(ids, config.token_s),
            initiator=Initiator(config.initiator, config.initiator_credential, key_file),
        )
