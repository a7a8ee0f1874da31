"""Up to which height nothing changes any more, by the rule of the profile."""

from __future__ import annotations

from fiatrails.chains.core.pool import RpcPool
from fiatrails.chains.core.rpc import Call, RpcError
from fiatrails.chains.evm.submitter.headers import parse_header
from fiatrails.kernel.errors import OutsideUnknown
from fiatrails.kernel.profile import Evm

_USE_DEPTH = "set evm.finality to `depth` and evm.confirmations in the profile, or use a node that knows the tag"


def final_height(pool: RpcPool, evm: Evm) -> int:
    """Return the height of the last final block, as two endpoints tell it where three are configured; negative when
    there is none. OutsideUnknown when no endpoint says."""
    if pool.has_quorum:
        return second_highest_final(pool, evm)
    answer = pool.batch([_question(evm)])[0]
    if isinstance(answer, RpcError):
        raise OutsideUnknown("rpc_final", f"the RPC endpoint does not say which block is final: {answer.message[:200]}")
    return _height(answer, evm)


def final_of(answer: object, *, head: int, evm: Evm) -> tuple[int, str]:
    """Return the final height that an endpoint at `head` tells with `answer`; negative when there is none, and then why
    not, as `finality: sentence` with what to do. With a depth, the head says it alone."""
    if evm.finality == "depth":
        return head - evm.confirmations, ""
    if isinstance(answer, RpcError):
        return -1, f"finality: the node does not answer for the tag `finalized` ({answer.message[:200]}); {_USE_DEPTH}"
    header = parse_header(answer)
    if header is None:
        return -1, f"finality: the node knows no final block; if that lasts, {_USE_DEPTH}"
    if header.number > head:
        return -1, f"finality: the node calls block {header.number} final and is at {head} itself; ask its operator"
    return header.number, ""


def second_highest_final(pool: RpcPool, evm: Evm) -> int:
    """Return the height that two endpoints call final (absence needs two); negative when no two answer."""
    answers = pool.batch_each([_question(evm)])
    heights = sorted((_height(answer[0], evm) for answer in answers), reverse=True)
    return heights[1] if len(heights) > 1 else -1


def _question(evm: Evm) -> Call:
    return Call("eth_getBlockByNumber", ("latest" if evm.finality == "depth" else "finalized", False))


def _height(answer: object, evm: Evm) -> int:
    # A chain without a finalized block yet has none: nothing is concluded.
    header = parse_header(answer)
    if header is None:
        return -1
    return header.number - evm.confirmations if evm.finality == "depth" else header.number
