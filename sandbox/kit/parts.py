"""Put together what every simulator works with."""

from dataclasses import dataclass

from sandbox.kit.courier import Courier
from sandbox.kit.faults import Faults
from sandbox.kit.journal import Journal
from sandbox.kit.log import Log
from sandbox.kit.scheduler import Scheduler
from sandbox.kit.settings import Settings


@dataclass(frozen=True)
class Parts:
    """The parts of one simulator that know no provider."""

    settings: Settings
    journal: Journal
    faults: Faults
    scheduler: Scheduler
    courier: Courier
    requests: Log
    deliveries: Log

    @classmethod
    def open(cls, settings: Settings, faults: Faults) -> "Parts":
        """Open the state directory, or begin one; raise JournalInUse when another process has it."""
        settings.state_dir.mkdir(parents=True, exist_ok=True)
        scheduler, deliveries = Scheduler(), Log()
        return cls(
            settings=settings,
            journal=Journal(settings.state_dir / "book.jsonl"),
            faults=faults,
            scheduler=scheduler,
            courier=Courier(f"{settings.name}-sandbox", faults, scheduler, deliveries),
            requests=Log(),
            deliveries=deliveries,
        )
