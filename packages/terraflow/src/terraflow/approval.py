"""The question before something changes in an account."""

import os
import sys

from terraflow.errors import UserError


def confirm(
    question: str,
    answer: str,
    *,
    approved: bool,
    option: str = "--auto-approve",
    refused: str = "Nothing was changed",
) -> None:
    """Return if the user approved in advance (an option, or YES=1) or types the answer; else raise UserError."""
    if approved or os.environ.get("YES") == "1":
        return
    if not sys.stdin.isatty():
        raise UserError(f"{refused}: there is no terminal to ask on. Say {option}, or set YES=1.")
    if input(f"{question} Type {answer}: ").strip() != answer:
        raise UserError(f"{refused}.")
