"""The face of the matcher: a party against a list -> a band, and the hits with their reasons."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from rapidfuzz.distance import JaroWinkler

from fiatrails.screening.entities import EntityType, ListedEntity, ListedName, NameKind
from fiatrails.screening.matching import evidence as evidences
from fiatrails.screening.matching.alignment import Alignment
from fiatrails.screening.matching.evidence import Agreement, EvidenceItem, plain_number
from fiatrails.screening.matching.index import IndexedName, NameIndex, align_names, weigh
from fiatrails.screening.matching.scoring import ALGORITHM, REVIEW, Score, is_identical, score
from fiatrails.screening.matching.text import Name, parse, split
from fiatrails.screening.matching.wallets import canonical

MAX_HITS = 20
# The name of an organisation or a vessel that says this much (nats) and is identical belongs to no other.
UNMISTAKABLE = 15.0


class Band(StrEnum):
    """`clear`: go on. `review`: a person decides. `block`: listed beyond the name."""

    CLEAR = "clear"
    REVIEW = "review"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Party:
    """Who is screened. `type` None when unknown; countries ISO alpha-2; any of the rest may be missing."""

    name: str = ""
    type: EntityType | None = None
    born: date | None = None
    countries: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()
    wallets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """One listed entity that the party may be. `score` and `listed` are of its best name, None for a hit by wallet or
    identifier alone; `ofac_score` 0 to 100 as the Treasury's own search would count."""

    entity: ListedEntity
    band: Band
    listed: ListedName | None
    score: Score | None
    alignment: Alignment | None
    ofac_score: int
    wallets: tuple[str, ...]
    evidence: tuple[EvidenceItem, ...]

    @property
    def rank(self) -> tuple[int, float]:
        """Sort the hits: band, then the evidence and the unsaturated score."""
        points = {Agreement.CONFIRMS: 10.0, Agreement.SUPPORTS: 2.0, Agreement.CONTRADICTS: -6.0}
        added = sum(points[item.agreement] for item in self.evidence)
        return list(Band).index(self.band), added + (self.score.logit if self.score else 50.0)


@dataclass(frozen=True, slots=True)
class ScreeningResult:
    """`band` is the highest of the hits; `problem` says what could not be screened, which is a reason for review."""

    band: Band
    hits: tuple[Hit, ...]
    problem: str
    list_digest: str
    algorithm: str = ALGORITHM


class ScreeningList:
    """A list made ready for screening: immutable, shared between threads. `digest` names the exact list."""

    def __init__(self, entities: Iterable[ListedEntity], *, digest: str) -> None:
        self.digest = digest
        self.index = NameIndex(entities)
        self._wallets: dict[str, list[int]] = defaultdict(list)
        self._identifiers: dict[str, list[int]] = defaultdict(list)
        for number, entity in enumerate(self.index.entities):
            for wallet in entity.wallets:
                self._wallets[canonical(wallet.address)].append(number)
            for identifier in entity.identifiers:
                self._identifiers[plain_number(identifier.number)].append(number)
        self._wallets.pop("", None)

    def by_wallet(self, address: str) -> list[int]:
        """Return the entities whose wallet it is."""
        return self._wallets.get(canonical(address), [])

    def by_identifier(self, number: str) -> list[int]:
        """Return entities that bear the number; short numbers say nothing."""
        plain = plain_number(number)
        return self._identifiers.get(plain, []) if len(plain) >= 5 else []


@dataclass(frozen=True, slots=True)
class Match:
    """A listed name that scored."""

    listed: IndexedName
    alignment: Alignment
    score: Score


def screen(party: Party, against: ScreeningList) -> ScreeningResult:
    """Screen a party against a list. Deterministic, without network or clock; time bounded by the length of the
    name."""
    name = parse(party.name, party.type) if party.name else None
    matches = match_names(name, party.type, against) if name else {}
    wallets: dict[int, list[str]] = defaultdict(list)
    for address in party.wallets:
        for number in against.by_wallet(address):
            wallets[number].append(address)
    numbers = {number for identifier in party.identifiers for number in against.by_identifier(identifier)}
    hits = [
        _hit(party, against.index.entities[number], matches.get(number), tuple(wallets.get(number, ())))
        for number in sorted({*matches, *wallets, *numbers})
    ]
    hits = sorted(
        (hit for hit in hits if hit.band is not Band.CLEAR or hit.score), key=lambda hit: hit.rank, reverse=True
    )
    problem = _problem(party, name)
    return ScreeningResult(_overall(hits, problem), tuple(hits[:MAX_HITS]), problem, against.digest)


def compare(query: str, listed: str, type: EntityType | None, against: ScreeningList | None = None) -> Score:
    """Return the score of one name against another as if that were listed; without a list words weigh as in a full
    one."""
    mine, theirs = parse(query, type), parse(listed, type)
    kind = type or EntityType.ORGANIZATION
    alignment = align_names(mine, theirs, kind, against.index.weighing(kind) if against else weigh)
    return score(alignment, kind, east_asian=mine.east_asian)


def match_names(
    name: Name, type: EntityType | None, against: ScreeningList, *, without: int | None = None
) -> dict[int, Match]:
    """Return the best match of each entity, by its number, where the score asks for review. `without`: as if the list
    did not carry the name of that number."""
    best: dict[int, Match] = {}
    index = against.index
    for number, _ in index.candidates(name):
        if number == without:
            continue
        listed = index.names[number]
        entity = index.entities[listed.entity]
        if not _comparable(type, entity.type):
            continue
        alignment = index.align(name, listed)
        found = Match(listed, alignment, score(alignment, entity.type, east_asian=name.east_asian))
        known = best.get(listed.entity)
        if _counts(found) and (known is None or found.score.logit > known.score.logit):
            best[listed.entity] = found
    return best


def _comparable(asked: EntityType | None, listed: EntityType) -> bool:
    """Return whether a party of one type may be an entity of the other. A person is no ship; what is not said to be a
    person may be anything else."""
    return asked is None or (asked is EntityType.PERSON) == (listed is EntityType.PERSON)


def _counts(match: Match) -> bool:
    """Return whether a match is a reason by itself. A weak alias of one word ("ALI") is none: OFAC's own guidance."""
    if match.listed.kind is NameKind.WEAK and len(match.alignment.pairs) < 2:
        return False
    return match.score.value >= REVIEW


def _hit(party: Party, entity: ListedEntity, match: Match | None, wallets: tuple[str, ...]) -> Hit:
    evidence = evidences.weigh(entity, born=party.born, countries=party.countries, identifiers=party.identifiers)
    return Hit(
        entity=entity,
        band=_band(entity, match, wallets, evidence),
        listed=ListedName(match.listed.name.text, match.listed.kind) if match else None,
        score=match.score if match else None,
        alignment=match.alignment if match else None,
        ofac_score=_ofac_score(party.name, match.listed.name.text) if match else 0,
        wallets=wallets,
        evidence=evidence,
    )


def _band(
    entity: ListedEntity, match: Match | None, wallets: tuple[str, ...], evidence: tuple[EvidenceItem, ...]
) -> Band:
    """Return the band. A name alone never confirms a person; a birth far from every listed one clears a namesake."""
    agreements = {item.subject: item.agreement for item in evidence}
    if wallets or agreements.get("identifier") is Agreement.CONFIRMS:
        return Band.BLOCK
    if match is None:
        return Band.CLEAR
    if agreements.get("birth") is Agreement.CONTRADICTS:
        return Band.CLEAR
    if agreements.get("birth") is Agreement.CONFIRMS:
        return Band.BLOCK
    unmistakable = is_identical(match.alignment) and match.alignment.matched >= UNMISTAKABLE
    return Band.BLOCK if entity.type is not EntityType.PERSON and unmistakable else Band.REVIEW


def _problem(party: Party, name: Name | None) -> str:
    if name is not None and name.problem:
        return f"the name cannot be screened: {name.problem}"
    unusable = [address for address in party.wallets if not canonical(address)]
    return f"not a wallet address: {unusable[0][:80]!r}" if unusable else ""


def _overall(hits: list[Hit], problem: str) -> Band:
    bands = {hit.band for hit in hits}
    if Band.BLOCK in bands:
        return Band.BLOCK
    return Band.REVIEW if Band.REVIEW in bands or problem else Band.CLEAR


def _ofac_score(query: str, listed: str) -> int:
    """Return the higher of whole-string and word-by-word Jaro-Winkler, in per cent. Source: OFAC's FAQ on its search
    tool."""
    mine, theirs = split(query), split(listed)
    whole = max(JaroWinkler.similarity(" ".join(mine), " ".join(order)) for order in (theirs, theirs[1:] + theirs[:1]))
    words = [max((JaroWinkler.similarity(word, other) for other in theirs), default=0.0) for word in mine]
    return round(100 * max(whole, sum(words) / len(words) if words else 0.0))
