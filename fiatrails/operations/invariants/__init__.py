"""What must hold at every instant, as checks that name the offending ids. Run by hand, by a job, and after every
injected fault."""

from fiatrails.operations.invariants.checks import Violation, check_books, check_chain, check_settled
from fiatrails.operations.invariants.supply import check_supply

__all__ = ["Violation", "check_books", "check_chain", "check_settled", "check_supply"]
