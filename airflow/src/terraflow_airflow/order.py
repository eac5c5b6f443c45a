"""What somebody asks for: a run by its name, with a sheet, settings and a budget, checked before anything is sent."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from terraflow_airflow.errors import OrderError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


@dataclass(frozen=True)
class Order:
    """A run that is to be started.

    Without `sheet` the one that lies in the bucket is meant; `settings` are added to the published configuration.
    `budget` is US dollars; None is the stack's.
    """

    name: str
    sheet: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    budget: float | None = None

    @property
    def sheet_key(self) -> str:
        """Where the sheet lies in the bucket."""
        return f"raw/{self.name}/samples.tsv"

    @property
    def config_key(self) -> str:
        """Where the configuration lies in the bucket."""
        return f"raw/{self.name}/config.yaml"


def checked(name: object, sheet: object = None, settings: object = None, budget: object = None) -> Order:
    """Return an order from what a form or a template gives. Raise OrderError that names field and finding."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise OrderError(
            f"Name of the run: found {name!r}; expected up to 40 letters, digits, '-' and '_', with a letter or digit "
            "first. Nothing was started."
        )
    if sheet is not None and not isinstance(sheet, str):
        raise OrderError(f"Sheet: found {type(sheet).__name__}; expected the text of a table with tabs.")
    return Order(name, _text(sheet or ""), _mapping(settings), _dollars(budget))


def _text(sheet: str) -> str:
    """Return a sheet as a file has it: forms send other ends of lines."""
    lines = sheet.replace("\r\n", "\n").strip("\n")
    return f"{lines}\n" if lines.strip() else ""


def _mapping(settings: object) -> dict[str, Any]:
    """Return settings of the configuration, given as keys and values or as YAML."""
    found = settings
    if isinstance(settings, str):
        try:
            found = yaml.safe_load(settings)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise OrderError(f"Settings: they can't be read as YAML: {error}") from None
    if found is None or found == "":
        return {}
    if not isinstance(found, Mapping) or not all(isinstance(key, str) for key in found):
        raise OrderError(
            f"Settings: found {found!r}; expected keys and values, such as {{calling: {{ploidy: 1}}}}. "
            "Nothing was started."
        )
    return dict(found)


def _dollars(budget: object) -> float | None:
    if budget is None or budget == "":
        return None
    try:
        amount = float(budget)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        amount = math.nan
    if isinstance(budget, bool) or not 0 < amount < math.inf:
        raise OrderError(f"Budget: found {budget!r}; expected US dollars above 0, such as 20. Nothing was started.")
    return amount
