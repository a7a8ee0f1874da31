"""Numbers that identify: passports, tax and registration numbers, IMO, e-mail and so on, by what OFAC calls them."""

from __future__ import annotations

import re
from functools import lru_cache

from fiatrails.screening.entities import Identifier
from fiatrails.screening.lists.formats.countries import alpha2

# What OFAC writes before a number, by the kind that we give it. One kind for what different countries call
# differently, so that a number can be compared with one that a person gave under a plain name.
_LABELS = {
    "passport": (
        "passport",
        "diplomatic passport",
        "stateless person passport",
        "british national overseas passport",
        "u.s.a. passport",
        "us passport",
        "passport no.",
        "travel document number",
    ),
    "national_id": (
        "national id no.",
        "identification number",
        "personal id card",
        "personal id no.",
        "cedula no.",
        "c.u.r.p.",
        "curp",
        "d.n.i.",
        "i.f.e.",
        "n.i.e.",
        "credencial electoral",
        "electoral registry no.",
        "ssn",
        "c.u.i.",
        "citizen's card number",
        "national foreign id number",
        "residency number",
        "numero de identidad",
        "le number",
        "turkish identification number",
        "kenyan id no.",
        "bosnian personal id no.",
        "moroccan personal id no.",
        "stateless person id card",
        "cnp",
        "cartilla de servicio militar nacional",
        "tarjeta de identidad",
        "cedula de ciudadania",
        "cedula de identidad",
        "identity card",
    ),
    "tax_id": (
        "tax id no.",
        "r.f.c.",
        "rfc",
        "nit",
        "ruc",
        "rif",
        "v.a.t. number",
        "italian fiscal code",
        "fiscal code",
        "us fein",
        "c.u.i.t.",
        "rtn",
        "n.i.f.",
        "c.i.f.",
        "paraguayan tax identification number",
        "romanian tax registration",
        "dominican tax id no.",
    ),
    "registration": (
        "registration number",
        "registration id",
        "business registration number",
        "company number",
        "uk company number",
        "commercial registry number",
        "c.r. no.",
        "chamber of commerce number",
        "matricula mercantil no",
        "matricula mercantil no.",
        "folio mercantil no.",
        "public registration number",
        "enterprise number",
        "business number",
        "business registration document",
        "trade license no.",
        "license",
        "economic register number",
        "unified social credit code",
        "united social credit code certificate",
        "central registration system number",
        "istanbul chamber of comm. no.",
        "company id: no.",
        "c.i.n.",
        "dubai chamber of commerce membership no.",
        "certificate of incorporation number",
        "registered charity no.",
        "branch unit number",
        "registration certificate number",
    ),
    "imo": ("international maritime organization no.",),
    "vessel_registration": ("vessel registration identification",),
    "mmsi": ("mmsi",),
    "call_sign": ("call sign", "other vessel call sign", "vessel call sign"),
    "aircraft_tail": ("aircraft tail number", "previous aircraft tail number"),
    "aircraft_serial": ("aircraft manufacturer's serial number", "aircraft construction number"),
    "aircraft_transponder": ("aircraft mode s transponder code",),
    "lei": ("legal entity number",),
    "duns": ("d-u-n-s number",),
    "swift": ("swift/bic", "swift", "bic"),
    "bik": ("bik",),
    "email": ("email address", "email", "e-mail", "e-mail address"),
    "phone": ("phone number", "telephone", "telephone no.", "telephone number", "phone"),
    "fax": ("fax", "fax number"),
    "website": ("website",),
    "driving_license": ("driver's license no.",),
    "birth_certificate": ("birth certificate number",),
}
_KIND = {label: kind for kind, labels in _LABELS.items() for label in labels}
# Kinds whose values need no digit: "SABRRUMM", "YI-NAE", "info@example.com".
_WORDS = frozenset({"email", "website", "swift", "call_sign", "aircraft_tail"})
_KNOWN = "|".join(re.escape(label) for label in sorted(_KIND, key=len, reverse=True))
# A label that nobody listed: it ends as labels do, and what follows holds a digit.
_OTHER = r"[^;0-9]{2,80}?\b(?:No\.|Number|Code|ID|Card|Certificate)"
_NOTE = r"(?:\s*\#)?(?:\s*\([^()0-9]*\))?:?"
_ITEM = re.compile(rf"(?P<label>(?:{_KNOWN}){_NOTE}|{_OTHER}{_NOTE})\s+(?P<rest>\S.*)", re.IGNORECASE | re.DOTALL)
_LABEL_NOTE = re.compile(r"\s*(?:\([^()]*\)|\#|:)\s*$")
_VALIDITY = re.compile(r"(?:^|[\s,]+)(?:issued|expires|expired|issue date|expire date)\b.*", re.IGNORECASE | re.DOTALL)
_COUNTRY = re.compile(r"(?P<number>.*\S)\s*\((?P<country>[^()]*)\)", re.DOTALL)
_SLUG = re.compile(r"[^a-z0-9]+")


def read_identifier(item: str) -> Identifier | None:
    """Read one item of the remarks, without "alt.", such as "Passport A1234567 (Korea, North) expires 21 Aug 2025"."""
    match = _ITEM.fullmatch(item)
    if match is None:
        return None
    rest = _VALIDITY.sub("", match["rest"], count=1).rstrip(" .,")
    stated = _COUNTRY.fullmatch(rest)
    if stated is not None and (alpha2(stated["country"]) or stated["country"].casefold() == "undetermined"):
        return identifier(match["label"], stated["number"], stated["country"])
    return identifier(match["label"], rest)


def identifier(label: str, number: str, country: str = "") -> Identifier | None:
    """Build an identifier from a label, a number and the name of a country as the list has them; None when the label
    names no number, or the number cannot be one."""
    kind, number = kind_of(label), " ".join(number.split())
    if not kind or not number or (kind not in _WORDS and not any(c.isdigit() for c in number)):
        return None
    if number.upper().startswith("IMO "):
        kind, number = ("imo" if kind == "vessel_registration" else "imo_company"), number[4:].strip()
    return Identifier(kind, number, alpha2(country))


@lru_cache(maxsize=4_096)
def kind_of(label: str) -> str:
    """Return the kind of a label: "Cedula No." -> "national_id"; one that is not in the table becomes its own kind when
    it ends as labels of numbers do ("Permit Number" -> "permit_number"), and "" otherwise."""
    plain = label.strip()
    while (shorter := _LABEL_NOTE.sub("", plain)) != plain:
        plain = shorter
    key = plain.casefold()
    if key in _KIND:
        return _KIND[key]
    return _SLUG.sub("_", key).strip("_") if re.fullmatch(_OTHER, plain, re.IGNORECASE) else ""
