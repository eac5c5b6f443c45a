"""Prepares calls for being filtered: a VCF on stdin, with notes on its records and in its header, to stdout."""

import argparse
import sys
from collections.abc import Iterable, Iterator

from terraflow_workflow.calling.multiallelic import NOTES, with_note
from terraflow_workflow.calling.overlaps import mark
from terraflow_workflow.calling.unlisted import name_unlisted


def prepared(lines: Iterable[bytes], form: str) -> Iterator[bytes]:
    """Yield the lines of a VCF of calls, with all that filters may ask for; `form` is a key of NOTES."""
    return with_note(mark(name_unlisted(lines)), form)


def main() -> None:
    """Run the command line of the rule `variants`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--multiallelic", required=True, choices=list(NOTES), help="how such sites will be written")
    options = parser.parse_args()
    sys.stdout.buffer.writelines(prepared(sys.stdin.buffer, options.multiallelic))


if __name__ == "__main__":
    main()
