"""Write the tables of the stack's variables and outputs into terraform/README.md.

They stand between the lines <!-- variables --> and <!-- /variables -->, <!-- outputs --> and <!-- /outputs -->.

Example: tools/run.sh python tools/terraform_tables.py           writes the tables
         tools/run.sh python tools/terraform_tables.py --check   fails when the file shows other tables
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import NamedTuple

import hcl2

ROOT = Path(__file__).resolve().parent.parent
STACK = ROOT / "terraform"


class Variable(NamedTuple):
    """A variable; `default` is None where the user has to give a value."""

    name: str
    type: str
    default: str | None
    description: str


def unquoted(text: str) -> str:
    """Return the string that HCL means: the parser keeps quotes and escapes, and wraps expressions in `${}`."""
    if text.startswith('"'):
        return str(json.loads(text))
    return text.removeprefix("${").removesuffix("}") if text.startswith("${") else text


def literal(value: object) -> str:
    """Return a default as a user would write it in HCL."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        entries = ", ".join(f"{key} = {literal(item)}" for key, item in value.items() if key != "__is_block__")
        return f"{{ {entries} }}" if entries else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    return json.dumps(value)


def variables(hcl: str) -> list[Variable]:
    """Return the variables of an HCL text, in its order. Raises ValueError for one without type or description."""
    found = []
    for block in hcl2.loads(hcl).get("variable", []):
        for quoted, body in block.items():
            name = unquoted(quoted)
            if missing := [key for key in ("type", "description") if not body.get(key)]:
                raise ValueError(f'variable "{name}" has no {" and no ".join(missing)}')
            default = literal(body["default"]) if "default" in body else None
            found.append(Variable(name, unquoted(body["type"]), default, unquoted(body["description"])))
    return found


def outputs(hcl: str) -> dict[str, str]:
    """Return the outputs of an HCL text with their descriptions. Raises ValueError for one without a description."""
    found = {}
    for block in hcl2.loads(hcl).get("output", []):
        for quoted, body in block.items():
            if not body.get("description"):
                raise ValueError(f'output "{unquoted(quoted)}" has no description')
            found[unquoted(quoted)] = unquoted(body["description"])
    return found


def cell(text: str) -> str:
    """Return the words of a table's cell; characters that Markdown would interpret are escaped."""
    return re.sub(r"([|<*])", r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """Return a cell that shows code."""
    return f"`{text.replace('|', chr(92) + '|')}`"


def table_of_variables(rows: list[Variable]) -> str:
    """Return a Markdown table of variables."""
    lines = ["| variable | type | default | description |", "| --- | --- | --- | --- |"]
    for row in rows:
        default = "required" if row.default is None else code(row.default)
        lines.append(f"| {code(row.name)} | {code(row.type)} | {default} | {cell(row.description)} |")
    return "\n".join(lines) + "\n"


def table_of_outputs(rows: dict[str, str]) -> str:
    """Return a Markdown table of outputs."""
    lines = ["| output | description |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| {code(name)} | {cell(meaning)} |" for name, meaning in rows.items())]) + "\n"


def filled(text: str, name: str, content: str) -> str:
    """Return the text with the content between its markers. Raises ValueError unless there is one such place."""
    block = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)
    if len(block.findall(text)) != 1:
        raise ValueError(f"the file needs one place for the table: the lines <!-- {name} --> and <!-- /{name} -->")
    return block.sub(lambda _: content, text)


def main() -> None:
    """Write or check the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; fail when the file differs")
    parser.add_argument("--stack", type=Path, default=STACK, help="another folder with variables*.tf and outputs.tf")
    parser.add_argument("file", type=Path, nargs="?", default=STACK / "README.md")
    options = parser.parse_args()
    try:
        text = options.file.read_text()
        rows = [row for file in sorted(options.stack.glob("variables*.tf")) for row in variables(file.read_text())]
        current = filled(text, "variables", table_of_variables(rows))
        shown = table_of_outputs(outputs((options.stack / "outputs.tf").read_text()))
        current = filled(current, "outputs", shown)
    except OSError as error:
        sys.exit(f"{error.filename}: {error.strerror}")
    except ValueError as error:
        sys.exit(f"{options.file} from {options.stack}: {error}")
    if options.check and current != text:
        sys.exit(
            f"{options.file} does not show the stack's variables and outputs: "
            "run tools/run.sh python tools/terraform_tables.py"
        )
    if current != text:
        options.file.write_text(current)


if __name__ == "__main__":
    main()
