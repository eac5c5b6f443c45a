"""Waits while AWS can't be asked, for commands that follow a run for hours."""

import time
from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from snakemake_aws_common import patience

T = TypeVar("T")
TROUBLE = (ClientError, BotoCoreError)


def trouble(error: ClientError | BotoCoreError) -> str:
    """Return what to say of an error that may pass; raise it if AWS has refused."""
    if not patience.retry_seconds(error):
        raise error
    return f"AWS can't be asked just now, and is asked again: {error}"


def patiently(look: Callable[[], T], say: Callable[[str], None], pause: float) -> T:
    """Return the look's result, repeating it after `pause` seconds until AWS answers; `say` is told once why."""
    said = False
    while True:
        try:
            return look()
        except TROUBLE as error:
            text = trouble(error)
            if not said:
                say(text)
            said = True
            time.sleep(pause)
