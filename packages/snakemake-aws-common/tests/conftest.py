"""Heads on an S3 in this process."""

from collections.abc import Callable, Iterator

import pytest

from lock_s3 import S3
from snakemake_aws_common import conditional, lease, patience, process
from snakemake_aws_common.lease import Lease

# Length of the leases.
SECONDS = 100.0


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Replace the machine's clocks by two that are years behind S3's, and that a test sets."""
    times = {"monotonic": 5.0, "wall": 900_000_000.0}
    monkeypatch.setattr(lease, "CLOCKS", (lambda: times["monotonic"], lambda: times["wall"]))
    return times


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch, clocks: dict[str, float]) -> Iterator[Callable[..., Lease]]:
    """Return a function that makes heads. Nothing renews by itself, and waits move S3's clock instead."""
    made: list[Lease] = []
    monkeypatch.setattr(Lease, "_keep", lambda _: None)
    monkeypatch.setattr(patience, "PAUSE", 0.01)
    monkeypatch.setattr(conditional, "PAUSE", 0.0)
    said: list[str] = []

    def make(s3: S3, place: str = "elsewhere") -> Lease:
        monkeypatch.setattr(process, "place", lambda: place)
        made.append(Lease(s3, "data", "runs/main/.head-lock.json", said.append, SECONDS, "Name it."))
        made[-1].said = said  # type: ignore[attr-defined]
        return made[-1]

    yield make
    for one in made:
        one.give_up()
