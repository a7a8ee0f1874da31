"""A screening in sentences: which word stands for which, what each feature added, what else is known."""

from __future__ import annotations

from collections.abc import Iterator

from fiatrails.screening.entities import NameKind
from fiatrails.screening.matching.alignment import Pair
from fiatrails.screening.matching.screening import Band, Hit, ScreeningResult

_KINDS = {
    NameKind.PRIMARY: "listed as",
    NameKind.AKA: "also known as",
    NameKind.FKA: "formerly known as",
    NameKind.NKA: "now known as",
    NameKind.WEAK: "broadly known as",
}


def headline(screening: ScreeningResult) -> str:
    """Return one line for a table or a hold's reason."""
    if screening.problem:
        return screening.problem
    found = [hit for hit in screening.hits if hit.band is not Band.CLEAR]
    if not found:
        return "no listed name, wallet or number"
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{reason(found[0])}{more}"


def reason(hit: Hit) -> str:
    """Return why this entity, in one sentence."""
    entity = f"{hit.entity.name} ({hit.entity.uid}, {', '.join(hit.entity.programs) or 'no program stated'})"
    if hit.wallets:
        return f"wallet {hit.wallets[0]} is listed for {entity}"
    if hit.listed is None or hit.score is None:
        return f"{hit.evidence[0].detail if hit.evidence else 'a number'}: {entity}"
    alias = "" if hit.listed.text == hit.entity.name else f", {_KINDS[hit.listed.kind]} {hit.listed.text}"
    beside = "".join(f"; {item.subject} {item.agreement}: {item.detail}" for item in hit.evidence)
    return f"name is {hit.score.value:.0%} like {entity}{alias}{beside}"


def details(hit: Hit) -> Iterator[str]:
    """Yield the whole reasoning, a line each."""
    yield f"{hit.band.upper()}: {reason(hit)}"
    if hit.alignment is not None and hit.score is not None:
        yield from (f"  {_pairing(pair)}" for pair in hit.alignment.pairs)
        for side, words in (("in the query", hit.alignment.query_alone), ("on the list", hit.alignment.listed_alone)):
            if words:
                yield f"  only {side}: {', '.join(words)}"
        added = ", ".join(f"{feature.name} {feature.added:+.2f}" for feature in hit.score.features)
        yield f"  score {hit.score.value:.3f} = {hit.score.logit:+.2f} log-odds: {added}"
        yield f"  OFAC's own search would score about {hit.ofac_score}"
    yield from (f"  {item.subject} {item.agreement}: {item.detail}" for item in hit.evidence)


def _pairing(pair: Pair) -> str:
    how = "is" if pair.likeness == 1.0 else f"is {pair.likeness:.0%} like"
    return f'"{pair.query}" {how} "{pair.listed}" (weight {pair.weight:.1f} nats)'
