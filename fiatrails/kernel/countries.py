"""ISO 3166-1 alpha-2: which two letters are a country. A wrong one in a rule would silently match nobody."""

from __future__ import annotations

from collections.abc import Iterable

# XK is assigned by users of the standard, not by the standard: address databases and banks write it for Kosovo.
ALPHA2 = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR
    GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP
    KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT
    MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW
    SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ
    UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW
    """.split()  # noqa: SIM905 - one quoted code a line would be 250 lines
)


def require_alpha2(codes: Iterable[str]) -> tuple[str, ...]:
    """Return the codes in upper case; ValueError names the first that is no country (UK and EU are none: GB, and each
    member by itself)."""
    found = tuple(code.strip().upper() for code in codes)
    for code in found:
        if code not in ALPHA2:
            raise ValueError(f"{code[:8]!r} is no ISO 3166-1 alpha-2 country code such as US or KE")
    return found
