"""Invented names of ordinary companies and charities, as payers of a rail bear them: what must not wake anybody."""

from __future__ import annotations

from random import Random

from faker import Faker

# Locales of invented companies, each with its share.
COMPANIES = {
    "en_US": 600,
    "en_GB": 400,
    "en_IN": 200,
    "es_MX": 300,
    "es_ES": 200,
    "fr_FR": 200,
    "de_DE": 200,
    "it_IT": 200,
    "pt_BR": 200,
    "nl_NL": 100,
    "pl_PL": 100,
    "tr_TR": 200,
    "ru_RU": 300,
    "zh_CN": 200,
    "ko_KR": 100,
    "fa_IR": 100,
}
# Locales of the family names and places that stand first in a name, the words that stand behind them, the legal forms.
_ENGLISH = (
    "trading general international services group global construction investment industries logistics transport travel "
    "engineering technology systems energy oil gas mining shipping export import foods textile consulting capital "
    "finance insurance bank exchange properties development design research production medical pharmaceuticals "
    "electronics chemical metals steel machinery marine aviation security media education foundation relief charity "
    "association society union centre institute plant enterprise commercial industrial national central united "
    "supplies hardware furniture motors farm water bakery hotel restaurant solutions digital software partners holdings"
)
_SPANISH = (
    "comercializadora constructora inversiones transportes servicios agropecuaria distribuidora inmobiliaria grupo "
    "industrias internacional exportadora importadora minera alimentos tecnologia desarrollo hoteles consultores"
)
_RUSSIAN = (
    "stroitelnaya kompaniya torgovyi dom zavod torgovaya proizvodstvennaya transportnaya investitsionnaya firma "
    "mashinostroitelnyi nauchno-proizvodstvennoe predpriyatie institut energeticheskaya servis logistika tekhnologii "
    "gruppa finansovaya remontnyi sistemy metall neft stroi agro promyshlennaya tsentr"
)
_TURKISH = "ticaret sanayi insaat ithalat ihracat tekstil gida otomotiv elektronik enerji lojistik turizm denizcilik"
_ARABIC = "al sharikat lil tijara mussasat khayriyya islamic exchange general trading sons brothers contracting"
_CHINESE = "keji maoyi guoji jituan gongye shiye dianzi international trading technology industrial import export"
KINDS = (
    (
        ("en_US", "en_GB", "en_KE", "sw", "en_IN", "yo_NG"),
        _ENGLISH,
        ("", "Ltd", "LLC", "Limited", "Inc", "Company", "Co."),
    ),
    (("es_MX", "es_ES", "pt_BR"), _SPANISH, ("", "S.A.", "S.A. de C.V.", "Ltda", "S.R.L.")),
    (("ru_RU", "uk_UA"), _RUSSIAN, ("OOO", "AO", "Limited Liability Company", "Joint Stock Company", "")),
    (("tr_TR", "az_AZ"), _TURKISH, ("Limited Sirketi", "Anonim Sirketi", "Ltd Sti")),
    (("ar_EG", "ar_SA", "fa_IR"), _ARABIC, ("", "Co.", "LLC", "Est")),
    (("zh_CN", "id_ID", "ko_KR"), _CHINESE, ("Co., Ltd.", "Limited", "Youxian Gongsi", "PTE Ltd")),
)
SHARES = (2_600, 500, 700, 300, 400, 400)


def ordinary_organisations() -> list[str]:
    """Return about 8,000 names, the same in every run: companies as Faker makes them, and a family, a place or an
    acronym with words that say what it does."""
    names: dict[str, None] = {}
    for number, (locale, count) in enumerate(COMPANIES.items()):
        fake = Faker(locale)
        fake.seed_instance(8_000 + number)
        companies = (fake.company() for _ in range(count))
        # Faker's Russian companies without quotation marks are real ones, and some of them are listed.
        names |= dict.fromkeys(name for name in companies if locale != "ru_RU" or "«" in name)
    for number, ((locales, words, forms), count) in enumerate(zip(KINDS, SHARES, strict=True)):
        choose = Random(9_000 + number)
        fakes = [Faker(locale) for locale in locales]
        for offset, fake in enumerate(fakes):
            fake.seed_instance(8_100 + 10 * number + offset)
        names |= dict.fromkeys(_named(choose, choose.choice(fakes), words.split(), forms) for _ in range(count))
    return list(names)


def _named(choose: Random, fake: Faker, words: list[str], forms: tuple[str, ...]) -> str:
    kinds = choose.sample(words, choose.choice((1, 2, 2, 3)))
    form = choose.choice(forms)
    whole = [_brand(choose, fake), *kinds] if choose.random() < 0.8 else [*kinds, _brand(choose, fake)]
    return " ".join([form, *whole] if choose.random() < 0.2 else [*whole, form]).strip()


def _brand(choose: Random, fake: Faker) -> str:
    drawn = choose.random()
    if drawn < 0.1:
        return "".join(choose.choices("ABCDEFGIKLMNOPRSTUV", k=choose.choice((2, 3, 3, 4, 5))))
    if drawn < 0.5:
        return fake.last_name()
    if drawn < 0.75:
        return fake.city()
    return f"{fake.last_name()} {choose.choice(('&', 'and', '-', ''))} {fake.last_name()}"
