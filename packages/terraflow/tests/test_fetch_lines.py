"""Downloads over bad lines, and of objects that change meanwhile."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.response import StreamingBody

from run_objects import BUCKET, STACK
from terraflow.errors import UserError
from terraflow.fetching import download, objects
from terraflow.fetching.download import Copy, Downloads, State
from terraflow.runs import find

MIB = 1 << 20
CRAM = "results/alignments/A.cram"
BODY = os.urandom(3 * MIB)


@pytest.fixture
def bucket(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The stack's bucket with one result of the run cohort7; works in a folder."""
    monkeypatch.chdir(tmp_path)
    store(s3, CRAM, BODY)
    return s3


def store(s3: Any, path: str, body: bytes) -> None:
    """Store an object of the run, with a checksum, as workers do."""
    s3.put_object(Bucket=BUCKET, Key=f"runs/cohort7/{path}", Body=body, ChecksumAlgorithm="CRC32")


def content(folder: Path) -> dict[str, bytes]:
    """The files below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Line:
    """S3 behind a bad line: `answers` change the body of each GetObject in turn, `asked` are the ranges asked for."""

    def __init__(self, s3: Any, *answers: Callable[[bytes], bytes]) -> None:
        self._s3, self._answers, self.asked = s3, list(answers), list[str]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)

    def get_object(self, **request: Any) -> Any:
        self.asked.append(request["Range"])
        answer = self._s3.get_object(**request)
        change = self._answers.pop(0) if self._answers else bytes
        whole = answer["Body"].read()
        body = change(whole)
        answer["Body"] = StreamingBody(_Raw(body), len(whole))
        return answer


class _Raw:
    """The bytes of an answer as urllib3 gives them."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def read(self, amount: int | None = None) -> bytes:
        given, self._body = self._body[:amount], self._body[amount or len(self._body) :]
        return given

    def close(self) -> None:
        pass


def half(body: bytes) -> bytes:
    """The first half of an answer, after which the line is cut."""
    return body[: len(body) // 2]


def nothing(_: bytes) -> bytes:
    """An answer of which nothing arrives."""
    return b""


def flipped(body: bytes) -> bytes:
    """An answer with one wrong bit that TCP did not notice."""
    return bytes([body[0] ^ 1]) + body[1:]


def one_copy(s3: Any, folder: Path) -> tuple[Copy, find.Run]:
    """The run's CRAM, to be fetched to a folder."""
    run = find.find("cohort7", STACK, s3)
    [cram] = objects.of_run(s3, run, CRAM)
    return Copy(cram, folder / CRAM), run


@pytest.mark.parametrize(
    ("answers", "begins"),
    [
        ([half, half], [0, 1536, 2304]),
        ([nothing, half, nothing], [0, 0, 1536, 1536]),
        # A damaged copy is fetched from its beginning.
        ([flipped], [0, 0]),
        ([half, flipped], [0, 1536, 0]),
    ],
)
def test_a_bad_line_goes_on_where_it_was_cut(
    bucket: Any, monkeypatch: pytest.MonkeyPatch, answers: list[Any], begins: list[int]
) -> None:
    monkeypatch.setattr(download, "PAUSE", 0)
    copy, run = one_copy(bucket, Path("here"))
    line, moved, whole = Line(bucket, *answers), list[int](), list[Copy]()
    Downloads(line, run).fetch([copy], moved.append, whole.append)  # type: ignore[arg-type]
    assert [range_.partition("-")[0] for range_ in line.asked] == [f"bytes={begin << 10}" for begin in begins]
    assert content(Path("here")) == {CRAM: BODY}
    assert (sum(moved), whole) == (3 * MIB, [copy])


def test_damage_that_lasts_is_told_and_nothing_kept(bucket: Any) -> None:
    copy, run = one_copy(bucket, Path("here"))
    with pytest.raises(UserError, match=r"A\.cram arrived 3 times with another checksum .*ChecksumCRC32"):
        Downloads(Line(bucket, flipped, flipped, flipped), run).fetch([copy], int, repr)  # type: ignore[arg-type]
    assert content(Path("here")) == {}


def test_a_line_that_brings_nothing_is_told(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAUSE", 0)
    copy, run = one_copy(bucket, Path("here"))
    line = Line(bucket, half, *[nothing] * download.TRIES)
    with pytest.raises(UserError, match=r"A\.cram can't be fetched: 8 tries in a row brought nothing .*is kept"):
        Downloads(line, run).fetch([copy], int, repr)  # type: ignore[arg-type]
    assert not copy.path.exists()
    [part] = copy.path.parent.iterdir()
    assert part.read_bytes() == half(BODY)


def rewriting(s3: Any, *bodies: bytes) -> list[Callable[[bytes], bytes]]:
    """Answers that are cut in the middle, while somebody stores another object under the key."""

    def change(answer: bytes, body: bytes) -> bytes:
        store(s3, CRAM, body)
        return half(answer)

    return [lambda answer, body=body: change(answer, body) for body in bodies]  # type: ignore[misc]


def test_an_object_that_changes_is_fetched_from_its_beginning(bucket: Any) -> None:
    copy, run = one_copy(bucket, Path("here"))
    other, moved = os.urandom(2 * MIB), list[int]()
    Downloads(Line(bucket, *rewriting(bucket, other)), run).fetch([copy], moved.append, repr)  # type: ignore[arg-type]
    assert content(Path("here")) == {CRAM: other}
    assert sum(moved) == 2 * MIB


def test_an_object_that_changes_all_the_time_is_told(bucket: Any) -> None:
    copy, run = one_copy(bucket, Path("here"))
    bodies = [os.urandom(MIB) for _ in range(3)]
    with pytest.raises(UserError, match=r"A\.cram was written anew 3 times while it was fetched"):
        Downloads(Line(bucket, *rewriting(bucket, *bodies)), run).fetch([copy], int, repr)  # type: ignore[arg-type]
    assert not copy.path.exists()


def test_an_object_that_goes_is_told(bucket: Any) -> None:
    copy, run = one_copy(bucket, Path("here"))
    bucket.delete_object(Bucket=BUCKET, Key=f"{run.prefix}/{CRAM}")
    with pytest.raises(UserError, match=r"A\.cram is gone since it was listed"):
        Downloads(bucket, run).fetch([copy], int, repr)
    assert content(Path("here")) == {}


def test_the_time_of_a_copy_is_its_objects(bucket: Any) -> None:
    copy, run = one_copy(bucket, Path("here"))
    Downloads(bucket, run).fetch([copy], int, repr)
    stored = bucket.head_object(Bucket=BUCKET, Key=f"runs/cohort7/{CRAM}")["LastModified"]
    assert copy.path.stat().st_mtime == stored.timestamp()


def test_an_object_of_parts_is_compared_by_its_parts_checksums(bucket: Any) -> None:
    key, parts = f"runs/cohort7/{CRAM}", [os.urandom(5 * MIB), os.urandom(MIB)]
    upload = bucket.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    done = [
        bucket.upload_part(Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=number, Body=part)["ETag"]
        for number, part in enumerate(parts, start=1)
    ]
    listed = [{"ETag": etag, "PartNumber": number} for number, etag in enumerate(done, start=1)]
    bucket.complete_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload, MultipartUpload={"Parts": listed})
    copy, run = one_copy(bucket, Path("here"))
    downloads = Downloads(bucket, run)
    downloads.fetch([copy], int, repr)
    assert copy.path.read_bytes() == b"".join(parts)
    assert downloads.compare([copy], int) == {copy: State.SAME}
    copy.path.write_bytes(b"".join(reversed(parts)))
    assert downloads.compare([copy], int) == {copy: State.DIFFERENT}
    assert not downloads.by_size
