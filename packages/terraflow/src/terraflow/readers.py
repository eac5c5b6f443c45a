"""Reads sheet and configuration with the workflow's own readers, so that both refuse the same in the same words."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from terraflow.errors import UserError
from terraflow_workflow.inputs import samples, settings
from terraflow_workflow.inputs.samples import Unit
from terraflow_workflow.reference.aligners import suffixes_of_prebuilt

# The configuration that the Snakefile reads before any --configfile, below the working directory.
WORKFLOW_CONFIG = Path("config/config.yaml")
# Sections and keys of the configuration that name data, beside the sheet.
DATA = (("reference", "fasta"), ("annotation", "gff"))


def read_config(path: Path, sheet: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the configuration as the workflow sees it with `--configfile path` and this sheet, and what to rewrite.

    What to rewrite is the file's own content, or nothing if the workflow reads the file in any case. Raise UserError
    with all that the workflow would refuse.
    """
    whole = load(WORKFLOW_CONFIG) if WORKFLOW_CONFIG.is_file() else {}
    own: dict[str, Any] = {}
    if not (WORKFLOW_CONFIG.is_file() and path.resolve() == WORKFLOW_CONFIG.resolve()):
        own = load(path)
        merge(whole, copy.deepcopy(own))
    whole["samples"] = sheet
    settings.tidy(whole)
    _refuse(path, settings.problems_of_config(whole))
    # Imported late: Snakemake takes a while.
    from snakemake.utils import validate

    validate(whole, str(settings.SCHEMAS / "config.schema.yaml"))
    return whole, own


def refuse_filters(path: Path, config: dict[str, Any], units: Sequence[Unit]) -> None:
    """Raise UserError for filters of the configuration that mean another thing in the calls of these units."""
    _refuse(path, settings.problems_of_filters(config, len({unit.sample for unit in units})))


def _refuse(path: Path, problems: list[str]) -> None:
    if problems:
        raise UserError(f"Problems in the configuration ({path}), nothing was sent:", *problems)


def read_sheet(path: str) -> list[Unit]:
    """Return the units of the sheet. Raise UserError with all that the workflow would refuse."""
    try:
        return samples.read_sheet(path)
    except samples.SheetError as error:
        raise UserError("Problems in the sample sheet, nothing was sent:", *error.problems) from None


def refuse_unreadable(sheet: str, units: Sequence[Unit], config: dict[str, Any]) -> None:
    """Raise UserError that lists every local file that is missing, empty or can't be read."""
    problems = settings.problems_of_files(config)
    problems += samples.problems_of_fastqs(sheet, list(units))
    ploidy = config["calling"]["ploidy"]
    if isinstance(ploidy, str) and (problem := settings.problem_of_local_file(ploidy)):
        problems.append(f"calling.ploidy: {ploidy}: {problem}; expected a ploidy file, 1 or 2")
    if problems:
        raise UserError(f"Files can't be read (relative paths start from {Path.cwd()}), nothing was sent:", *problems)


def relative_paths(sheet: Path, configfile: Path | None) -> list[str]:
    """Return the relative paths that a sheet and a user's configuration name. Raise UserError as the readers do."""
    own = load(configfile) if configfile else {}
    named: list[Any] = [path for unit in read_sheet(str(sheet)) for path in unit.fastqs]
    named += [path for _, _, path in of_sections(own, (*DATA, ("calling", "ploidy")))]
    local = [path for path in named if isinstance(path, str) and path and not settings.is_remote(path)]
    return [path for path in local if not Path(path).is_absolute()]


def of_sections(config: Mapping[str, Any], keys: Sequence[tuple[str, str]]) -> list[tuple[str, str, Any]]:
    """Return section, key and value of keys in a configuration; the workflow says what is no section."""
    return [(section, key, part.get(key)) for section, key in keys if isinstance(part := config.get(section), Mapping)]


def local_files(units: Sequence[Unit], config: dict[str, Any]) -> list[Path]:
    """Return the files on this disk that jobs read: FASTQ, reference with a prebuilt index, annotation."""
    fasta, gff = config["reference"]["fasta"], config["annotation"]["gff"]
    suffixes = suffixes_of_prebuilt(config)
    named = [path for unit in units for path in unit.fastqs] + [fasta, *(fasta + end for end in suffixes), gff]
    return [Path(path) for path in dict.fromkeys(named) if path and not settings.is_remote(path)]


def load(path: Path) -> dict[str, Any]:
    """Read a configuration. Raise UserError if it can't be read, or holds no keys and values."""
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; expected a configuration (--configfile)") from None
    # YAML's timestamps are Python's, and its nesting is recursion.
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path} can't be read as YAML: {error}") from None
    if not isinstance(content, dict | None):
        raise UserError(f"{path}: found {type(content).__name__}; expected keys and values, such as samples: {path}")
    _refuse(path, settings.problems_of_repeated_keys(text, str(path)))
    return content or {}


def merge(below: dict[str, Any], above: dict[str, Any]) -> None:
    """Put `above` over `below`, section by section, as Snakemake does with its configuration files."""
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            merge(below[key], value)
        else:
            below[key] = value
