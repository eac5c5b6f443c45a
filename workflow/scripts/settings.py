"""Checks the configuration against its schema and gives every problem in words that say what to write."""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"
BWA_INDEX_SUFFIXES = (".amb", ".ann", ".bwt", ".pac", ".sa")


def load_schema(name: str) -> dict[str, Any]:
    """The schema `name` (`config` or `samples`) of workflow/schemas."""
    schema: dict[str, Any] = yaml.safe_load((SCHEMAS / f"{name}.schema.yaml").read_text())
    return schema


def is_remote(path: str) -> bool:
    """Whether a path of the configuration or the sheet is an address that a storage plugin resolves."""
    return "://" in path


def problems_of_config(config: dict[str, Any]) -> list[str]:
    """One line for each thing in `config` that its schema refuses; none when all is well."""
    validator = Draft202012Validator(load_schema("config"))
    errors = sorted(validator.iter_errors(config), key=lambda error: [str(part) for part in error.absolute_path])
    return [problem for error in errors for problem in _problems(error)]


def problems_of_files(config: dict[str, Any]) -> list[str]:
    """One line for each local file that `config` names and that can't be read.

    Looks at names and sizes only; what is in the files is checked by the rules that read them.
    """
    fasta = config["reference"]["fasta"]
    named = [("reference.fasta", fasta)]
    if config["reference"]["bwa_index"] == "prebuilt":
        named += [("reference.bwa_index: prebuilt", fasta + suffix) for suffix in BWA_INDEX_SUFFIXES]
    named += [("annotation.gff", config["annotation"]["gff"])]
    return [
        f"{key}: {path}: {problem}" for key, path in named if path and (problem := problem_of_file(path)) is not None
    ]


def problem_of_file(path: str) -> str | None:
    """What keeps the local file `path` from being read; None for a readable one and for an address."""
    if is_remote(path):
        return None
    try:
        file = Path(path)
        if not file.exists():
            return "no such file"
        if not file.is_file():
            return "is not a file"
        if file.stat().st_size == 0:
            return "is empty (0 bytes)"
        with file.open("rb"):
            return None
    except OSError as error:
        return f"can't be read ({error.strerror})"


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
        yield f"{path or 'configuration'}: found {found!r}; expected {error.schema['expected']}"


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)
