"""Write the table of the variables of terraform/variables.tf into a Markdown file.

The table stands between the lines <!-- variables --> and <!-- /variables -->.

Example: python tools/terraform_tables.py                       writes the table into README.md
         python tools/terraform_tables.py --check               fails when README.md shows another table
         python tools/terraform_tables.py terraform/README.md   writes it into another file
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import NamedTuple

import hcl2

ROOT = Path(__file__).resolve().parent.parent
VARIABLES = ROOT / "terraform/variables.tf"
BLOCK = re.compile(r"(?<=<!-- variables -->\n).*?(?=<!-- /variables -->)", re.DOTALL)


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


def table(rows: list[Variable]) -> str:
    """Return a Markdown table; characters that Markdown would interpret are escaped."""

    def cell(text: str) -> str:
        return re.sub(r"([|<*])", r"\\\1", " ".join(text.split()))

    def code(text: str) -> str:
        return f"`{text.replace('|', chr(92) + '|')}`"

    lines = ["| variable | type | default | description |", "| --- | --- | --- | --- |"]
    for row in rows:
        default = "required" if row.default is None else code(row.default)
        lines.append(f"| {code(row.name)} | {code(row.type)} | {default} | {cell(row.description)} |")
    return "\n".join(lines) + "\n"


def filled(text: str, content: str) -> str:
    """Return the text with the content between its markers. Raises ValueError unless there is one such place."""
    if len(BLOCK.findall(text)) != 1:
        raise ValueError("the file needs one place for the table: the lines <!-- variables --> and <!-- /variables -->")
    return BLOCK.sub(lambda _: content, text)


def main() -> None:
    """Write or check the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; fail when the file differs")
    parser.add_argument("--variables", type=Path, default=VARIABLES, help="another file of variables")
    parser.add_argument("file", type=Path, nargs="?", default=ROOT / "README.md")
    options = parser.parse_args()
    try:
        text = options.file.read_text()
        current = filled(text, table(variables(options.variables.read_text())))
    except OSError as error:
        sys.exit(f"{error.filename}: {error.strerror}")
    except ValueError as error:
        sys.exit(f"{options.file} from {options.variables}: {error}")
    if options.check and current != text:
        sys.exit(f"{options.file} does not show the stack's variables: run python tools/terraform_tables.py")
    if current != text:
        options.file.write_text(current)


if __name__ == "__main__":
    main()
