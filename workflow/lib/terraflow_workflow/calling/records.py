"""Prepares calls for being filtered: a VCF on stdin, with notes on its records and in its header, to stdout."""

import argparse
import sys

from terraflow_workflow.calling.multiallelic import NOTES, with_note
from terraflow_workflow.calling.overlaps import mark


def main() -> None:
    """Run the command line of the rule `variants`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--multiallelic", required=True, choices=list(NOTES), help="how such sites will be written")
    options = parser.parse_args()
    sys.stdout.buffer.writelines(with_note(mark(sys.stdin.buffer), options.multiallelic))


if __name__ == "__main__":
    main()
