"""Transfers are told to those who observe, and their seconds are counted once when several run at a time."""

import pytest

from snakemake_aws_common import transfers
from snakemake_aws_common.transfers import FETCHED, STORED, Transfer, seconds_of


def test_observers_hear_of_transfers_that_succeed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "_observers", [])
    heard: list[Transfer] = []
    transfers.observe(heard.append)
    with transfers.timed(STORED, "s3://data/a") as size:
        size.bytes = 7
    with pytest.raises(OSError), transfers.timed(FETCHED, "s3://data/b"):
        raise OSError
    assert [(one.kind, one.query, one.size) for one in heard] == [(STORED, "s3://data/a", 7)]
    assert heard[0].start <= heard[0].end


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], 0.0),
        ([(1, 3)], 2.0),
        ([(1, 3), (5, 6)], 3.0),
        ([(2, 4), (1, 3)], 3.0),
        ([(1, 9), (2, 3), (4, 10)], 9.0),
    ],
)
def test_seconds_in_which_something_was_under_way(spans: list[tuple[float, float]], expected: float) -> None:
    assert seconds_of([Transfer(FETCHED, "q", 1, *span) for span in spans]) == expected
