"""What is known of a person or company, as options: of screening and of the register of payers."""

from __future__ import annotations

from typing import Annotated

import typer

from fiatrails.screening.entities import EntityType

Kind = Annotated[EntityType | None, typer.Option("--type", help="What it is; without it, it may be anything.")]
Born = Annotated[str | None, typer.Option("--born", metavar="DATE", help="Date of birth, e.g. 1977-03-25.")]
Countries = Annotated[
    list[str] | None, typer.Option("--country", metavar="CODE", help="Two letters; may be given again.")
]
Identifiers = Annotated[
    list[str] | None, typer.Option("--id", metavar="NUMBER", help="Passport or other number; may be given again.")
]
