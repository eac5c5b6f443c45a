"""What a container has measured of its rules: one small object, until the head has put it into the record.

PREFIX/head/measured/<job id>-<attempt>.json
"""

import json
from collections.abc import Iterable
from dataclasses import asdict

from .attempt import Step, step_from
from .store import FOLDER

MEASURED = f"{FOLDER}/measured/"


def measured_name(native_id: str, attempt: int) -> str:
    """Return the key, below the run's prefix, of the measurements of an attempt of a Batch job."""
    return f"{MEASURED}{native_id}-{attempt}.json"


def pack_steps(steps: Iterable[Step]) -> bytes:
    """Return the content of the object."""
    return json.dumps([asdict(step) for step in steps], separators=(",", ":")).encode()


def unpack_steps(body: bytes) -> tuple[Step, ...]:
    """Return what `pack_steps` wrote; fields that a later version has added are left out."""
    return tuple(step_from(given) for given in json.loads(body))
