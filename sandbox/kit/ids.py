"""Draw identifiers from the seed."""

import random
import threading
from collections.abc import Callable


class Ids:
    """Draws identifiers; `is_taken` keeps them unique across restarts with the same seed."""

    def __init__(self, seed: str, is_taken: Callable[[str], bool]) -> None:
        self._random = random.Random(f"{seed}:ids")
        self._lock = threading.Lock()
        self._is_taken = is_taken
        self._given: set[str] = set()

    def fresh(self, draw: Callable[[], str]) -> str:
        """Return the first identifier that `draw` yields and nobody has."""
        with self._lock:
            while (identifier := draw()) in self._given or self._is_taken(identifier):
                pass
            self._given.add(identifier)
            return identifier

    def draw(self, alphabet: str, length: int) -> str:
        """Return characters of an alphabet, for use in a `draw` given to `fresh`."""
        return "".join(self._random.choices(alphabet, k=length))
