"""Write the picture of the rules, as Snakemake sees them, into README.md.

Example: python tools/picture.py          writes the picture
         python tools/picture.py --check  fails when README.md shows another picture
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
BLOCK = re.compile(r"(?<=<!-- rules -->\n)```mermaid\n.*?\n```\n", re.DOTALL)


def rule_graph() -> set[tuple[str, str]]:
    """Return the example's pairs (rule, rule that reads its output), as `snakemake --rulegraph` prints them."""
    command = [sys.executable, "-m", "snakemake", "--rulegraph", "mermaid-js"]
    command += ["--configfile", str(ROOT / "config/example/config.yaml")]
    text = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    names = dict(re.findall(r"^\s*(id\d+)\[(\w+)\]$", text, re.MULTILINE))
    return {(names[a], names[b]) for a, b in re.findall(r"^\s*(id\d+) --> (id\d+)$", text, re.MULTILINE)}


def without_shortcuts(edges: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the edges whose ends no path of other edges connects."""

    def reaches(start: str, end: str, but: tuple[str, str]) -> bool:
        return any(b == end or reaches(b, end, but) for a, b in edges if a == start and (a, b) != but)

    return {edge for edge in edges if not reaches(*edge, edge)}


def picture() -> str:
    """Return the graph as a Mermaid block."""
    edges = sorted(without_shortcuts(rule_graph()))
    return "\n".join(["```mermaid", "flowchart LR", *(f"    {a} --> {b}" for a, b in edges), "```", ""])


def main() -> None:
    """Write or check the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; fail when README.md differs")
    options = parser.parse_args()
    text = README.read_text()
    if not BLOCK.search(text):
        sys.exit("README.md has no place for the picture: it needs a line <!-- rules --> and a Mermaid block after it")
    current = BLOCK.sub(lambda _: picture(), text)
    if options.check and current != text:
        sys.exit("README.md does not show the workflow's rules: run python tools/picture.py")
    if current != text:
        README.write_text(current)


if __name__ == "__main__":
    main()
