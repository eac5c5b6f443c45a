"""The prices that costs and estimates of a stack are reckoned with."""

from pathlib import Path

from snakemake_aws_common import prices as price_lists
from snakemake_aws_common.prices import Prices, PricesError
from terraflow.errors import UserError


def prices_for(region: str, file: Path | None = None, architecture: str = "") -> tuple[Prices, list[str]]:
    """Return the prices of a region, from a file if one is given, and notes if others stand in for them.

    Raise UserError for a file that can't be used, or has no prices of the architecture.
    """
    if file is None:
        prices, note = price_lists.load_or_stand_in(region)
        return prices, [note] if note else []
    try:
        prices = price_lists.load(region, file)
    except PricesError as error:
        raise UserError(str(error)) from None
    if architecture and architecture not in prices.rates:
        raise UserError(
            f"{file}: regions.{region} has prices of {', '.join(sorted(prices.rates))}, and the stack's jobs run on "
            f"{architecture}. Add them."
        )
    return prices, []
