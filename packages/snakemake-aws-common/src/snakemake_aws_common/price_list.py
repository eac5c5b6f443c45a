"""Prices of a region, read from the file in this package or from a file of the user's own contract.

The file is JSON: `date` and `source` of the prices; `spot_discount` (0.6: Spot costs 60 % less; an assumption, since
the prices of Spot vary); `pull_seconds` (how long a task pulls its image before Batch says that it started);
`endpoint_bytes` (what a task sends through interface endpoints: logs and the image's manifest); and `regions`, with US
dollars for each. A file of the user's own may hold their region alone; what it leaves out besides is as in the
package's. `stand_in`, in the package's file alone, is for regions without prices: whose prices are taken, and the
factor between them and those of the most expensive region (an assumption).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

ARCHITECTURES = ("X86_64", "ARM64")
FORM = (
    '{"date": "2026-01-31", "source": "our contract", "spot_discount": 0.6, "regions": {"REGION": '
    '{"X86_64": {"vcpu_hour": 0.04, "memory_gb_hour": 0.004}, "ARM64": {"vcpu_hour": 0.03, "memory_gb_hour": 0.003}, '
    '"disk_gb_hour": 0.0001, "address_hour": 0.005, "endpoint_gb": 0.01}}}'
)
# Assumptions, each with the largest value that makes sense.
ASSUMPTIONS = {"spot_discount": 1.0, "pull_seconds": 3600.0, "endpoint_bytes": 1e12}
RATES = ("disk_gb_hour", "address_hour", "endpoint_gb")


class PricesError(ValueError):
    """A file of prices that can't be used, or a region without prices; the text says what to do."""


@dataclass(frozen=True)
class Rates:
    """US dollars for an hour of a vCPU, and of a GB of memory, on demand."""

    vcpu_hour: float
    memory_gb_hour: float


@dataclass(frozen=True)
class Prices:
    """Prices of one region in US dollars, with their source, and the assumptions that bills do without."""

    region: str
    date: str
    source: str
    # By architecture: "X86_64", "ARM64".
    rates: Mapping[str, Rates]
    # A GB (2**30 bytes) of disk above 20; a public address; a GB through interface endpoints.
    disk_gb_hour: float
    address_hour: float
    endpoint_gb: float
    spot_discount: float
    pull_seconds: float
    endpoint_bytes: float


def load(region: str, file: Path | str | None = None) -> Prices:
    """Return the prices of a region, from the package's file or from a file of the user's own.

    Raises PricesError, which names the file and the key, what it found and what it expected.
    """
    shipped = _shipped()
    if file is None:
        return _prices(region, shipped, shipped, None)
    return _prices(region, _parsed(Path(file)), shipped, Path(file))


def load_or_stand_in(region: str) -> tuple[Prices, str]:
    """Return the package's prices of a region, and what a reader has to know of them: nothing if they are its own.

    A region without prices has those of another one, raised so that a budget reckoned with them is kept.
    """
    shipped = _shipped()
    if region in shipped["regions"]:
        return load(region), ""
    like, factor = shipped["stand_in"]["region"], shipped["stand_in"]["factor"]
    known = load(like)
    dearer = replace(
        known,
        region=region,
        source=f"{known.source}, {like}, times {factor:g}",
        rates={name: Rates(one.vcpu_hour * factor, one.memory_gb_hour * factor) for name, one in known.rates.items()},
        **{name: getattr(known, name) * factor for name in RATES},
    )
    return dearer, (
        f"This version has no prices of {region}: reckoned with those of {like} times {factor:g}, about what the most "
        "expensive region takes. A budget is used up too early rather than too late; a file of prices mends it: "
        "--prices FILE"
    )


def _shipped() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((resources.files("snakemake_aws_common") / "prices.json").read_text("utf-8"))
    return found


def _parsed(file: Path) -> Mapping[str, Any]:
    try:
        given = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise PricesError(f"{file}: the file of prices can't be read ({error.strerror or error}).") from None
    except ValueError as error:
        raise PricesError(f"{file}: the file of prices is no JSON ({error}). Its form: {FORM}") from None
    if not isinstance(given, dict):
        raise PricesError(f"{file}: the file of prices has to be an object of JSON. Its form: {FORM}")
    unknown = sorted(set(given) - {"date", "source", "regions", *ASSUMPTIONS})
    if unknown:
        raise PricesError(f"{file}: unknown keys: {', '.join(unknown)}. The form of the file: {FORM}")
    return given


def _prices(region: str, given: Mapping[str, Any], shipped: Mapping[str, Any], file: Path | None) -> Prices:
    regions = given.get("regions")
    if not isinstance(regions, dict) or not regions:
        raise PricesError(f"{file}: 'regions' has to name at least one region. The form of the file: {FORM}")
    if region not in regions:
        where = f"{file} has" if file else "This version has"
        remedy = "Add it" if file else "Give a file of your own, with AWS's prices or your contract's: --prices FILE"
        raise PricesError(
            f"{where} no prices of region '{region}', but of {', '.join(sorted(regions))}. {remedy}. "
            f"The form of the file, which is JSON: {FORM.replace('REGION', region)}"
        )
    prices = _mapping(regions[region], file, f"regions.{region}", {*RATES, *ARCHITECTURES})
    assumed = {key: _number(given.get(key, shipped[key]), file, key, most) for key, most in ASSUMPTIONS.items()}
    return Prices(
        region=region,
        date=_text(given, "date", file),
        source=_text(given, "source", file),
        rates=_rates(prices, file, f"regions.{region}"),
        **{key: _number(prices.get(key), file, f"regions.{region}.{key}") for key in RATES},
        **assumed,
    )


def _rates(prices: Mapping[str, Any], file: Path | None, key: str) -> dict[str, Rates]:
    """Return the rates of the architectures that the file has: one at least."""
    rates = {}
    for name in ARCHITECTURES:
        if name in prices:
            where = f"{key}.{name}"
            given = _mapping(prices[name], file, where, set(Rates.__dataclass_fields__))
            rates[name] = Rates(
                **{field: _number(given.get(field), file, f"{where}.{field}") for field in Rates.__dataclass_fields__}
            )
    if not rates:
        raise PricesError(f"{file}: {key} has neither X86_64 nor ARM64. The form of the file: {FORM}")
    return rates


def _mapping(given: object, file: Path | None, key: str, known: set[str]) -> Mapping[str, Any]:
    if not isinstance(given, dict) or set(given) - known:
        raise PricesError(f"{file}: {key} has to be an object with {', '.join(sorted(known))}, and is {given!r}.")
    return given


def _number(given: object, file: Path | None, key: str, most: float = 1000.0) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= most:
        found = "is missing" if given is None else f"is {given!r}"
        raise PricesError(f"{file}: {key} {found}; it has to be a number from 0 to {most:g}.")
    return float(given)


def _text(given: Mapping[str, Any], key: str, file: Path | None) -> str:
    text = given.get(key)
    if not isinstance(text, str) or not text.strip():
        raise PricesError(f"{file}: {key} has to be a text (when and where the prices were found), and is {text!r}.")
    return text
