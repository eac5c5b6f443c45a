"""Another process of the machine knows from a file that the lock is held, and not longer than its holder knows it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError

from lock_s3 import S3
from snakemake_aws_common.lease import Lease, LostError
from snakemake_aws_common.proof import Proof

# Length of the leases that the fixture `head` makes.
SECONDS = 100.0


@pytest.fixture
def proof(tmp_path: Path) -> Proof:
    return Proof(tmp_path / "lease", SECONDS)


@pytest.fixture
def one(head: Callable[..., Lease], proof: Proof) -> Lease:
    """A head that writes its proof."""
    made = head(S3())
    made._note = proof.note
    return made


def test_a_lock_is_proven_as_long_as_its_holder_is_sure(one: Lease, proof: Proof, clocks: dict[str, float]) -> None:
    assert not proof.holds()
    one.acquire()
    assert proof.holds()
    clocks["wall"] += SECONDS * 0.79
    assert proof.holds()
    clocks["wall"] += SECONDS * 0.02
    assert not proof.holds()
    assert one.renew() and proof.holds()


def test_a_renewal_that_fails_proves_nothing_new(one: Lease, proof: Proof, clocks: dict[str, float]) -> None:
    one.acquire()
    clocks["monotonic"] += SECONDS * 0.7
    one._object._client.faults = {"put": [EndpointConnectionError(endpoint_url="https://s3")]}
    assert not one.renew() and proof.holds()
    clocks["monotonic"] += SECONDS * 0.11
    assert not proof.holds()


def test_a_lock_that_is_lost_or_released_is_not_proven(
    one: Lease, proof: Proof, head: Callable[..., Lease], monkeypatch: pytest.MonkeyPatch
) -> None:
    one.acquire()
    s3 = one._object._client
    at_deletion: list[bool] = []
    delete = s3.delete_object
    monkeypatch.setattr(s3, "delete_object", lambda **asked: (at_deletion.append(proof.holds()), delete(**asked)))
    one.release()
    assert at_deletion == [False] and not proof.holds()
    two = head(s3)
    two._note = proof.note
    two.acquire()
    assert proof.holds()
    s3.body = None
    with pytest.raises(LostError):
        two.renew()
    assert not proof.holds()


@pytest.mark.parametrize("content", ["", "{", "[]", "[1]", '["a", "b"]', "null"])
def test_what_is_no_proof_proves_nothing(tmp_path: Path, proof: Proof, content: str) -> None:
    (tmp_path / "lease").write_text(content)
    assert not proof.holds()


def test_a_proof_that_can_t_be_written_ends_no_renewal(one: Lease, tmp_path: Path, proof: Proof) -> None:
    one._note = Proof(tmp_path / "nowhere" / "lease", SECONDS).note
    one.acquire()
    assert one.renew()
