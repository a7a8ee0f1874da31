"""Every address that the API serves. All but screenings also answer without `/api/v1`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from fiatrails.api.open.health import health
from fiatrails.api.open.metrics import metrics
from fiatrails.api.openapi.views import schema
from fiatrails.api.v1.mint_intents import MintIntents, OneMintIntent
from fiatrails.api.v1.screenings import OneScreening, Screenings
from fiatrails.api.webhooks import daraja
from fiatrails.api.webhooks.gateway import gateway_callback

_versioned: list[URLPattern | URLResolver] = [
    path("mint-intents", MintIntents.as_view()),
    path("mint-intents/<str:intent_id>", OneMintIntent.as_view()),
    path("callbacks/mpesa", gateway_callback),
    path("callbacks/mpesa/<str:token>/", include(daraja.urlpatterns)),
    path("health", health),
    path("metrics", metrics),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include(_versioned)),
    path("api/v1/screenings", Screenings.as_view()),
    path("api/v1/screenings/<str:screening_id>", OneScreening.as_view()),
    *_versioned,
    # M-PESA refuses to register addresses that contain its name.
    path("callbacks/till/<str:token>/", include(daraja.urlpatterns)),
    path("api/v1/schema", schema),
    path("health/", health),
]
