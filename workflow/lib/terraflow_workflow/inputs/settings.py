"""Checks the configuration against its schema and gives every problem in words that say what to write."""

import difflib
import math
import re
import shlex
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from terraflow_workflow.calling.model import CLASSIC, CONSENSUS
from terraflow_workflow.reference.aligners import aligner_of, index_of_another, suffixes_of_prebuilt

SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"
# YAML 1.1 takes numbers such as 1e-3, without a dot or a sign of the power, for text.
POWER_OF_TEN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+", re.ASCII)
ADDRESSES = ("s3://", "https://", "http://")
MISSING = "no such file"
# The share of reads with a gap, INFO of bcftools.
SHARE_OF_GAPS = re.compile(r"\bIMF\b")

# JSON Schema takes 2.0 for an integer, Python doesn't. Not a number, YAML's .nan, is neither below nor above any limit.
Validator = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: type(value) is int,
            "number": lambda _, value: type(value) in (int, float) and not math.isnan(value),
        }
    ),
)


class Table(str):
    """The path of a table in Snakemake's list of configuration files: workers elsewhere need it as they need those."""

    __slots__ = ()


def load_schema(name: str) -> dict[str, Any]:
    """Return the schema `name` (`config` or `samples`) of the folder `schemas`."""
    schema: dict[str, Any] = yaml.safe_load((SCHEMAS / f"{name}.schema.yaml").read_text())
    return schema


def is_remote(path: str) -> bool:
    """Return whether a path of the configuration or the sheet is an address that a storage plugin resolves."""
    return "://" in path


def tidy(config: dict[str, Any], schema: dict[str, Any] | None = None) -> None:
    """Make `config` say what its author means, in place, before it is checked.

    A key or section with nothing written behind it counts as not given. Text becomes the number, true or false that the
    schema wants there: `--config calling='{windows: 16}'` has Snakemake give 16 as text.
    """
    parts = (load_schema("config") if schema is None else schema).get("properties", {})
    for key, value in list(config.items()):
        part = parts.get(key, {})
        if value is None:
            del config[key]
        elif isinstance(value, dict):
            tidy(value, part)
        elif isinstance(value, str) and part.get("type") == "number" and POWER_OF_TEN.fullmatch(value):
            config[key] = float(value)
        elif isinstance(value, str) and ("anyOf" in part or part.get("type") in ("integer", "number", "boolean")):
            config[key] = _number_or_truth(value)


def problems_of_repeated_keys(text: str | bytes, name: str) -> list[str]:
    """Return one line for each key that stands twice in its section of a configuration; `name` is that of its file.

    YAML takes the last one: a run would have other settings than its author sees.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (ValueError, RecursionError, yaml.YAMLError):
        # Whoever loads it says so.
        return []
    return [f"{name}, {problem}" for problem in _repeated_keys(root, "", set())]


def problems_of_config(config: dict[str, Any]) -> list[str]:
    """Return one line for each thing in `config` that its schema refuses; none when all is well."""
    validator = Validator(load_schema("config"))
    errors = sorted(validator.iter_errors(config), key=lambda error: [str(part) for part in error.absolute_path])
    return [problem for error in errors for problem in _problems(error)]


def problems_of_filters(config: dict[str, Any], samples: int) -> list[str]:
    """Return a line for each filter by IMF in joint calls of several samples by the consensus model.

    IMF of the old model is the share of the sample with most gaps. That of one sample means the same with both models.
    """
    parts = (config.get(name) for name in ("calling", "filters"))
    calling, filters = (part if isinstance(part, dict) else {} for part in parts)
    if samples == 1 or calling.get("indels") == CLASSIC or calling.get("mode") == "per-sample":
        return []
    return [
        f"filters.{name}: found {text!r}; with calling.indels: {CONSENSUS}, IMF is a share of the reads of all samples "
        'together, so that indels of few samples would be marked. Write "" to leave the filter out (Overlap takes its '
        f"place), or calling.indels: {CLASSIC}"
        for name, text in filters.items()
        if isinstance(text, str) and SHARE_OF_GAPS.search(text)
    ]


def files_of(config: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return (key, path, what is expected there) of each file that `config` names beside sheet and ploidy file."""
    fasta = config["reference"]["fasta"]
    named = [("reference.fasta", fasta, "a FASTA file")]
    what = f"a file that `{aligner_of(config).indexer}` wrote; `build` makes them"
    named += [("reference.bwa_index: prebuilt", fasta + suffix, what) for suffix in suffixes_of_prebuilt(config)]
    named += [("annotation.gff", config["annotation"]["gff"], "a GFF3 file, or an empty string for none")]
    return [(key, path, expected) for key, path, expected in named if path]


def problems_of_files(config: dict[str, Any], may_miss: bool = False) -> list[str]:
    """Return one line for each local file that `config` names and that can't be read.

    Looks at names and sizes only; what is in the files is checked by the rules that read them.
    """
    problems = [
        f"{key}: {path}: {problem}; expected {expected}"
        for key, path, expected in files_of(config)
        if (problem := problem_of_file(path, may_miss))
    ]
    return [*problems, *problems_of_index(config)] if problems else problems


def problems_of_index(config: dict[str, Any]) -> list[str]:
    """Return a line if the index beside the FASTA is one of another aligner than the one of the configuration."""
    fasta, aligner = config["reference"]["fasta"], aligner_of(config)

    def exists(path: str) -> bool:
        return Path(path).exists()

    whole = all(exists(fasta + suffix) for suffix in suffixes_of_prebuilt(config))
    found = "" if whole else index_of_another(fasta, aligner, exists)
    return [f"alignment.aligner: {aligner.name}: {found}"] if found else []


def problem_of_file(path: str, may_miss: bool = False) -> str | None:
    """Return the reason why `path` can't be read; None for a readable file and a good address.

    With `may_miss`, nothing is wrong with a file that isn't there: the run may make it.
    """
    if re.search("[{}]", path):
        return "holds { or }, which Snakemake can't take; give a link without it"
    if not is_remote(path):
        problem = problem_of_local_file(path)
        if may_miss and problem == MISSING:
            return None
        return problem or problem_of_time(path)
    return None if path.startswith(ADDRESSES) else "is an address of another kind than s3:// and https://"


def problems_of_missing(inputs: Iterable[tuple[str, str]], is_made: Callable[[str], bool]) -> list[str]:
    """Return one line for each local file that is not there and, by `is_made`, that no rule makes.

    `inputs` holds what names a file (a key, a line of the sheet) and its path or address.
    """
    return [
        f"{what}: {path}: {MISSING}, and no rule makes it"
        for what, path in inputs
        if not is_remote(path) and problem_of_local_file(path) == MISSING and not is_made(path)
    ]


def problem_of_time(path: str) -> str | None:
    """Return why nothing made from the file `path` could be newer than it; None if its time, UTC, has passed.

    Snakemake fails the first job whose output is older than its input, after that job's work. A link has its own time.
    """
    changed = max(Path(path).lstat().st_mtime, Path(path).stat().st_mtime)
    now = time.time()
    if changed <= now:
        return None
    shape = "%Y-%m-%d %H:%M:%S UTC"
    return (
        f"was last changed in the future, at {time.strftime(shape, time.gmtime(changed))}; it is "
        f"{time.strftime(shape, time.gmtime(now))} here. If that is right: touch -- {shlex.quote(path)}"
        + (", and touch -h for the link itself" if Path(path).is_symlink() else "")
    )


def problem_of_local_file(path: str) -> str | None:
    """Return the reason why the file `path` on this disk can't be read; None for a readable one."""
    try:
        status = Path(path).stat()
        if not stat.S_ISREG(status.st_mode):
            return "is a folder" if stat.S_ISDIR(status.st_mode) else "is not a file"
        if status.st_size == 0:
            return "is empty (0 bytes)"
        with Path(path).open("rb"):
            return None
    except FileNotFoundError:
        return MISSING
    except OSError as error:
        return f"can't be read ({error.strerror})"
    except ValueError:
        return "can't be the path of a file"


def _repeated_keys(node: yaml.Node | None, section: str, seen: set[int]) -> Iterator[str]:
    # An alias stands for a section that was looked at, perhaps for one around it.
    if not isinstance(node, yaml.MappingNode) or id(node) in seen:
        return
    seen.add(id(node))
    lines: dict[str, int] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        name, line = _join(section, key.value), key.start_mark.line + 1
        # Any number of mappings may be merged.
        if name in lines and key.tag != "tag:yaml.org,2002:merge":
            yield (
                f"line {line}: {name} stands on line {lines[name]} already; expected it once: what the first one says "
                "would be without effect"
            )
        lines.setdefault(name, line)
        yield from _repeated_keys(value, name, seen)


def _number_or_truth(text: str) -> object:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return value if isinstance(value, int | float) else text


def _problems(error: ValidationError) -> Iterator[str]:
    schema: Any = error.schema
    found: Any = error.instance
    path = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "required":
        for key in schema["required"]:
            if key not in found:
                expected = schema["properties"][key]["expected"]
                yield f"{_join(path, key)}: is missing; expected {expected}"
    elif error.validator == "additionalProperties":
        known = sorted(schema["properties"])
        for key in map(str, found):
            if key not in known:
                close = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean `{close[0]}`?" if close else f"known are: {', '.join(known)}"
                yield f"{_join(path, key)}: is not a key of the configuration; {hint}"
    elif "propertyNames" in list(error.absolute_schema_path):
        expected = schema["expected"]
        yield f"{_join(path, found)}: can't be a name here; expected {expected}"
    else:
        yield f"{path}: found {found!r}; expected {schema['expected']}"


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)
