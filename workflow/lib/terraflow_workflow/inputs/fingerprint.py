"""Recognise a file of the user that was replaced, also by an older one and while a job reads it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

ON_DISK = "bytes, last changed at"


def fingerprint(path: str) -> str:
    """Return the size (bytes) and time of last change (seconds since 1970, UTC) of the file that `path` leads to.

    The same on every machine that sees the file. An empty text for a file that can't be looked at.
    """
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return ""
    seconds, rest = divmod(status.st_mtime_ns, 10**9)
    return f"{status.st_size} {ON_DISK} {seconds}.{rest:09d}"


def problems_of_changes(files: Sequence[str], planned: Sequence[str]) -> list[str]:
    """Return one line for each of `files` that is not what was `planned`.

    Only files on a disk are looked at; of others, a job has a copy, and their storage knows whether they changed.
    """
    return [
        f"{file}: was replaced or changed while this job read it; planned was a file of {expected}, "
        f"found is {found if (found := fingerprint(file)) else 'none'}. Nothing made from it was kept: run again."
        for file, expected in zip(files, planned, strict=True)
        if ON_DISK in expected and fingerprint(file) != expected
    ]


def main() -> None:
    """Run the command line of `unchanged` in begin.sh: fingerprints, then as many files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", nargs="*")
    texts = parser.parse_args().texts
    middle = len(texts) // 2
    if problems := problems_of_changes(texts[middle:], texts[:middle]):
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
