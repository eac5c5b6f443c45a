"""terraflow verify: what is missing, changed, or there besides, in the bucket and in a fetched folder."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import receipt_run
from receipt_run import FASTA, GFF, RESULTS
from run_objects import BUCKET, STACK, put_lock
from terraflow import cli, receipt
from terraflow import stack as stacks

CRAM, VCF = "results/alignments/A.cram", "results/variants/all.vcf.gz"


@pytest.fixture
def bucket(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The stack's bucket with the run cohort7 and its receipt; works in a folder."""
    (tmp_path / "stack.json").write_text(json.dumps(vars(STACK)))
    monkeypatch.setenv(stacks.FILE_VARIABLE, str(tmp_path / "stack.json"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    receipt_run.make(s3)
    receipt.write(STACK, "cohort7", s3=s3)
    return s3


def verify(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the report of the command."""
    capsys.readouterr()
    code = cli.main(["verify", *words, "--json"])
    return code, json.loads(capsys.readouterr().out or "{}")


def change(s3: Any, path: str, body: bytes) -> None:
    """Put another object in the place of a result."""
    receipt_run.store(s3, path, body)


def test_nothing_has_changed(bucket: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", "cohort7"]) == 0
    said = capsys.readouterr().out
    assert "8 outputs" in said and "nothing has changed" in said and f"not looked at {GFF}" in said
    for words in ([], ["--deep"]):
        code, report = verify(capsys, "cohort7", *words)
        assert (code, report["missing"], report["changed"], report["extra"]) == (0, [], [], [])
        assert (report["same"], report["unseen"]) == (len(RESULTS) + 4, [GFF])


@pytest.mark.parametrize("deep", [[], ["--deep"]])
def test_what_differs_is_named(bucket: Any, capsys: pytest.CaptureFixture[str], deep: list[str]) -> None:
    change(bucket, CRAM, b"alignments of B")
    change(bucket, VCF, b"more variants")
    change(bucket, "results/qc/extra.txt", b"made by hand")
    bucket.delete_object(Bucket=BUCKET, Key="runs/cohort7/results/report.html")
    fasta = FASTA.removeprefix(f"s3://{BUCKET}/")
    bucket.delete_object(Bucket=BUCKET, Key=fasta)
    bucket.put_object(Bucket=BUCKET, Key="raw/B/L1/4567/B.fastq.gz", Body=b"raw/B/L1/4567/B.fastq.GZ")
    code, report = verify(capsys, "cohort7", *deep)
    assert code == 3
    assert set(report["missing"]) == {"results/report.html", FASTA}
    changed = {one["path"]: one["how"] for one in report["changed"]}
    assert set(changed) == {CRAM, VCF, "s3://data/raw/B/L1/4567/B.fastq.gz"}
    assert changed[VCF] == "13 bytes instead of 8"
    assert " instead of " in changed[CRAM] and changed[CRAM].startswith("md5" if deep else "ChecksumCRC32")
    assert report["extra"] == ["results/qc/extra.txt"]
    assert cli.main(["verify", "cohort7"]) == 3
    said = capsys.readouterr().out
    assert "missing       results/report.html" in said and "extra         results/qc/extra.txt" in said


def test_unchanged_objects_cost_one_listing(
    bucket: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 is asked about inputs one by one, and about outputs only if their size and ETag are not what they were."""
    from terraflow.receipt import contents

    asked, ask = list[str](), contents.content_of

    def counted(s3: Any, bucket: str, key: str) -> Any:
        asked.append(key)
        return ask(s3, bucket, key)

    monkeypatch.setattr(contents, "content_of", counted)
    assert verify(capsys, "cohort7")[0] == 0
    assert not [key for key in asked if key.startswith("runs/")]


def test_a_copy_of_the_same_bytes_is_the_same(bucket: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """An object that came in parts has another ETag, and the same checksum of the whole."""
    key = f"runs/cohort7/{CRAM}"
    upload = bucket.create_multipart_upload(
        Bucket=BUCKET, Key=key, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT"
    )["UploadId"]
    part = bucket.upload_part(
        Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=1, Body=RESULTS[CRAM], ChecksumAlgorithm="CRC32"
    )
    bucket.complete_multipart_upload(
        Bucket=BUCKET,
        Key=key,
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}]},
        ChecksumType="FULL_OBJECT",
    )
    assert verify(capsys, "cohort7")[0] == 0
    assert verify(capsys, "cohort7", "--deep")[0] == 0


def test_a_folder_is_compared_by_its_bytes(bucket: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fetch", "cohort7", "here"]) == 0
    for words in (["cohort7", "--folder", "here"], ["--folder", "here"]):
        code, report = verify(capsys, *words)
        assert (code, report["same"]) == (0, len(RESULTS))
    Path("here", CRAM).write_bytes(b"alignments of C")
    Path("here", VCF).unlink()
    Path("here/results/extra.txt").write_bytes(b"")
    code, report = verify(capsys, "--folder", "here")
    assert code == 3
    assert (report["missing"], report["extra"]) == ([VCF], ["results/extra.txt"])
    assert [one["path"] for one in report["changed"]] == [CRAM]
    shutil.rmtree("here/results")
    assert len(verify(capsys, "--folder", "here")[1]["missing"]) == len(RESULTS)


def test_a_receipt_can_be_made_later(bucket: Any, capsys: pytest.CaptureFixture[str]) -> None:
    bucket.delete_object(Bucket=BUCKET, Key="runs/cohort7/ro-crate-metadata.json")
    assert cli.main(["verify", "cohort7"]) == 1
    assert "cohort7 has no receipt" in capsys.readouterr().err
    put_lock(bucket, "cohort7")
    assert cli.main(["verify", "cohort7", "--write"]) == 1
    assert "cohort7 runs, and its results change" in capsys.readouterr().err
    put_lock(bucket, "cohort7", seconds=-10)
    assert verify(capsys, "cohort7", "--write")[1] == {"receipt": f"s3://{BUCKET}/runs/cohort7/ro-crate-metadata.json"}
    assert verify(capsys, "cohort7")[0] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Name a run, or a folder"),
        (["--folder", "nowhere"], "nowhere is no folder"),
        (["--folder", "."], "ro-crate-metadata.json is missing"),
        (["cohort7", "--write", "--deep"], "leave --folder and --deep out"),
        (["cohort8"], "There is no run 'cohort8'"),
    ],
)
def test_what_can_t_be_compared(bucket: Any, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert cli.main(["verify", *words]) == 1
    assert said in capsys.readouterr().err
