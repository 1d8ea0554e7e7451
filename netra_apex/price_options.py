"""Prices as the command line gives them: aliases, a file of one's own prices, a day."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import typer

from netra_optimizer.errors import InputError

if TYPE_CHECKING:
    from netra_optimizer import PriceTable


class PriceFileError(InputError):
    """A file of prices cannot be used."""

    code = "OPT-205"


def price_table(aliases: list[str], file: Path | None, as_of: str | None) -> "PriceTable":
    """The bundled prices under what was given.

    Raises:
        PriceFileError: the file cannot be read, or is no list of prices.
        typer.BadParameter: an alias is not NAME=MODEL, or the day is none.
    """
    from netra_optimizer import PriceTable
    from netra_optimizer.pricing import CustomPrice

    custom: list[CustomPrice] = []
    if file is not None:
        try:
            custom = msgspec.json.decode(file.read_bytes(), type=list[CustomPrice])
        except OSError as error:
            raise PriceFileError(
                f"{file} cannot be read: {error.strerror}.", hint="Check the path."
            ) from None
        except msgspec.DecodeError as error:
            raise PriceFileError(
                f"{file.name} is no list of prices: {error}.",
                hint='Write [{"model": "my-model", "input": 2.5, "output": 10}], USD per million.',
            ) from None
    day = None if as_of is None else _day(as_of)
    return PriceTable.load(day, custom=custom, aliases=pairs(aliases, "--alias", "NAME=MODEL"))


def pairs(given: list[str], option: str, form: str) -> dict[str, str]:
    """`a=b` options as a mapping. Raises typer.BadParameter for what has another form."""
    found: dict[str, str] = {}
    for text in given:
        left, equals, right = text.partition("=")
        if not (left.strip() and equals and right.strip()):
            raise typer.BadParameter(f"{text!r} is not {form}", param_hint=option)
        found[left.strip()] = right.strip()
    return found


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no day like 2026-11-01", param_hint="--prices-as-of"
        ) from None
