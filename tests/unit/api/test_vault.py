"""Client secrets at rest outlive a new DJANGO_SECRET_KEY as long as the former one is a fallback."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from fiatrails.api.vault import seal, unseal
from fiatrails.kernel.errors import Misconfigured


def test_what_was_sealed_under_a_former_key_opens(settings: object) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "old" * 20, []  # type: ignore[attr-defined]
    sealed = seal(SecretStr("a client's secret"))
    settings.SECRET_KEY = "new" * 20  # type: ignore[attr-defined]
    with pytest.raises(Misconfigured, match="DJANGO_SECRET_KEY"):
        unseal(sealed)
    settings.SECRET_KEY_FALLBACKS = ["old" * 20]  # type: ignore[attr-defined]
    assert unseal(sealed).get_secret_value() == "a client's secret"
