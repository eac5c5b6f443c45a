"""The index that a run built is copied as the run left it when it was done, and not once it has gone on since."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from run_objects import BUCKET
from terraflow.launch.shared_index import BUILT, Found, find
from terraflow_workflow.reference.aligners import ALIGNERS, Aligner

FOLDER = "reference/0123456789abcdef"
REFERENCE = f"{FOLDER}/g.fa"
RESULTS = "runs/first/results"
BUILDING = datetime(2026, 1, 1, 12, tzinfo=UTC)
DONE = BUILDING + timedelta(hours=2)


@pytest.fixture(params=ALIGNERS.values(), ids=lambda aligner: aligner.name)
def aligner(request: pytest.FixtureRequest) -> Aligner:
    """Either aligner."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def put(s3: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write an object at a time."""

    def write(key: str, at: datetime) -> None:
        monkeypatch.setattr("moto.s3.models.utcnow", lambda: at.replace(tzinfo=None))
        s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())

    return write


@pytest.fixture
def built(s3: Any, put: Any, aligner: Aligner, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the keys of the reference and the index that a finished run built."""
    keys = [f"{RESULTS}/{BUILT['bwa']}", *(f"{RESULTS}/{BUILT[aligner.name]}{end}" for end in aligner.suffixes)]
    for key in keys:
        put(key, BUILDING)
    monkeypatch.setattr("moto.s3.models.utcnow", lambda: DONE.replace(tzinfo=None, microsecond=900_000))
    reference = {"fasta": f"s3://{BUCKET}/{REFERENCE}", "bwa_index": "build"}
    config = {"reference": reference, "alignment": {"aligner": aligner.name}}
    s3.put_object(Bucket=BUCKET, Key=f"{RESULTS}/run.json", Body=json.dumps({"config": config}).encode())
    return keys


def shared(s3: Any) -> set[str]:
    return {item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET, Prefix=FOLDER).get("Contents", [])}


def test_the_index_of_a_finished_run_is_copied_if_it_is_still_what_it_was(
    s3: Any, built: list[str], aligner: Aligner
) -> None:
    conditions: list[datetime] = []
    s3.meta.events.register(
        "provide-client-params.s3.CopyObject",
        lambda params, **_: conditions.append(params["CopySourceIfUnmodifiedSince"]),
    )
    key = f"{FOLDER}/{aligner.name}-{aligner.version}/genome.fa"

    assert find(s3, BUCKET, REFERENCE, aligner) == Found(key, "first")

    assert shared(s3) == {key, *(key + end for end in aligner.suffixes)}
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode() == built[0]
    assert conditions == [DONE] * len(built)
    assert find(s3, BUCKET, REFERENCE, aligner) == Found(key)


@pytest.mark.parametrize("which", [0, 1, -1], ids=["reference", "first of the index", "last of the index"])
def test_a_run_that_has_gone_on_with_another_reference_has_none_to_copy(
    s3: Any, put: Any, built: list[str], aligner: Aligner, which: int
) -> None:
    put(built[which], DONE + timedelta(seconds=1))

    assert find(s3, BUCKET, REFERENCE, aligner) is None
    assert shared(s3) == set()


def test_an_object_of_the_second_in_which_the_run_was_done_is_its_own(
    s3: Any, put: Any, built: list[str], aligner: Aligner
) -> None:
    put(built[0], DONE + timedelta(milliseconds=800))

    assert find(s3, BUCKET, REFERENCE, aligner) is not None
