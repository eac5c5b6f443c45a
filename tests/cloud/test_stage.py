"""`terraflow stage` against S3: uploads arrive whole, none is sent twice, and an interrupted one goes on."""

import gzip
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from shared import ROOT
from strict_aws import Aws
from terraflow.cli import main
from terraflow.errors import UserError
from terraflow.staging import Item
from terraflow.upload import State, Uploads

MIB = 1 << 20
SENDING = ("PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload")
Stage = Callable[..., subprocess.CompletedProcess[str]]


@dataclass
class Lab:
    """A working directory with reads and a reference, and a bucket of its own."""

    folder: Path
    bucket: str
    env: dict[str, str]
    aws: Aws

    def stage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "terraflow.cli", "stage", *arguments]
        return subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False)

    def sheet(self, *rows: str, name: str = "config/samples.tsv") -> str:
        (self.folder / name).write_text("\n".join(["sample\tunit\tfq1\tfq2", *rows]) + "\n")
        return name

    def objects(self) -> dict[str, bytes]:
        s3 = self.aws.client("s3")
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])]
        return {key: s3.get_object(Bucket=self.bucket, Key=key)["Body"].read() for key in keys}

    def key(self, place: str, *files: str | Path) -> str:
        """Return the key of a file: its place, the digest of its content (or of all files of an index), its name."""
        digests = [hashlib.sha256((self.folder / file).read_bytes()).hexdigest() for file in files]
        whole = digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
        return f"{place}/{whole[:16]}/{Path(files[0]).name}"

    def sent(self) -> list[str]:
        """Keys of the requests that send something, and forgets them."""
        requests = self.aws.requests(forget=True)
        return [r["key"] for r in requests if r["bucket"] == self.bucket and r["operation"] in SENDING]


@pytest.fixture
def lab(aws: Aws, tmp_path: Path, request: pytest.FixtureRequest) -> Lab:
    bucket = "stage-" + re.sub("[^a-z0-9]+", "-", request.node.name.lower())[:50].strip("-")
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    (tmp_path / "config").mkdir()
    (tmp_path / "reads").mkdir()
    (tmp_path / "config" / "config.yaml").write_text("samples: config/samples.tsv\nreference: {fasta: genome.fa}\n")
    (tmp_path / "genome.fa").write_text(">chr\nACGT\n")
    for name in ("a", "b"):
        (tmp_path / "reads" / f"{name}.fastq.gz").write_bytes(gzip.compress(f"@{name}\nACGT\n+\nIIII\n".encode()))
    keep = tmp_path / "stack.json"
    keep.write_text(json.dumps(stack_outputs(bucket)))
    aws.requests(forget=True)
    return Lab(
        tmp_path, bucket, aws.env | {"TERRAFLOW_STACK": str(keep), "COLUMNS": "200", "PATH": "/usr/bin:/bin"}, aws
    )


def stack_outputs(bucket: str) -> dict[str, Any]:
    names = "execution_role_arn job_role_arn head_role_arn submit_policy_arn report_job_definition head_job_definition"
    return dict.fromkeys(names.split(), "x") | {
        "region": "us-east-1",
        "account_id": "123456789012",
        "stack": "terraflow",
        "architecture": "X86_64",
        "bucket": bucket,
        "repository_url": "x/terraflow",
        "image_tag": "x",
        "images": {},
        "queues": {},
        "job_definitions": {},
        "log_group": "/terraflow/terraflow",
        "tags": {},
    }


def test_files_arrive_whole_and_nothing_is_sent_twice(lab: Lab) -> None:
    odd = lab.folder / "reads" / "Blüte #1 ?.fastq.gz"
    odd.write_bytes(b"\x1f\x8b odd")
    (lab.folder / "reads" / "link.fastq.gz").symlink_to(lab.folder / "reads" / "b.fastq.gz")
    (lab.folder / "other").mkdir()
    (lab.folder / "other" / "a.fastq.gz").write_bytes(b"mate of a")
    sheet = lab.sheet(
        "S1\tL1\treads/a.fastq.gz\tother/a.fastq.gz",
        f"S2\tL1\t{odd}",
        "# a comment",
        "",
        "S2\tL2\treads/link.fastq.gz\t",
        "S3\tL1\ts3://elsewhere/c.fastq.gz\thttps://example.org/c_2.fastq.gz",
    )
    done = lab.stage(sheet)
    assert done.returncode == 0, done.stderr
    places = {
        lab.key("raw/S1/L1", "reads/a.fastq.gz"): "reads/a.fastq.gz",
        lab.key("raw/S1/L1", "other/a.fastq.gz"): "other/a.fastq.gz",
        lab.key("raw/S2/L1", odd): odd,
        lab.key("raw/S2/L2", "reads/link.fastq.gz"): "reads/b.fastq.gz",
        lab.key("reference", "genome.fa"): "genome.fa",
    }
    expected = {key: (lab.folder / path).read_bytes() for key, path in places.items()}
    mate1, mate2, single, link, genome = (f"s3://{lab.bucket}/{key}" for key in places)
    assert lab.objects() == expected
    assert sorted(lab.sent()) == sorted(expected)
    assert "sent        5 files" in done.stdout
    assert (lab.folder / "config" / "samples.s3.tsv").read_text().splitlines()[1:] == [
        "sample\tunit\tfq1\tfq2",
        f"S1\tL1\t{mate1}\t{mate2}",
        f"S2\tL1\t{single}\t",
        "# a comment",
        "",
        f"S2\tL2\t{link}\t",
        "S3\tL1\ts3://elsewhere/c.fastq.gz\thttps://example.org/c_2.fastq.gz",
    ]
    assert yaml.safe_load((lab.folder / "config" / "aws.yaml").read_text()) == {
        "samples": "config/samples.s3.tsv",
        "reference": {"fasta": genome},
        "alignment": {"aligner": "bwa"},
        "reads": {"shards": 1},
    }
    assert "s3://elsewhere/c.fastq.gz" in done.stdout and "https://example.org/c_2.fastq.gz" in done.stdout
    snakemake, profile = Path(sys.executable).with_name("snakemake"), ROOT / "profiles" / "aws"
    command = f"{snakemake} --profile {profile} --snakefile {ROOT}/workflow/Snakefile --configfile config/aws.yaml"
    assert done.stdout.splitlines()[-2:] == [f"  {command} --dry-run", f"  {command}"]

    again = lab.stage(sheet)
    assert again.returncode == 0, again.stderr
    assert lab.sent() == []
    assert "sent        0 files" in again.stdout and "passed over 5 files" in again.stdout

    # The written sheet and configuration can be staged themselves: nothing is left to send.
    remote = lab.stage("config/samples.s3.tsv", "--configfile", "config/aws.yaml", "--out-config", "config/again.yaml")
    assert remote.returncode == 0, remote.stderr
    assert lab.sent() == []
    assert yaml.safe_load((lab.folder / "config" / "again.yaml").read_text())["reference"] == {"fasta": genome}


def test_the_workflow_takes_what_was_written(lab: Lab) -> None:
    (lab.folder / "ploidy.txt").write_text("* * * * 2\n")
    # Files of the working directory that have absolute paths, too: the directory lies elsewhere on a worker.
    (lab.folder / "my.yaml").write_text(
        "reference:\n  fasta: genome.fa\n  bwa_index: prebuilt\n"
        f"calling: {{ploidy: {lab.folder}/ploidy.txt, windows: 3}}\nannotation:\n  gff: genes.gff\n"
    )
    suffixes = (".amb", ".ann", ".bwt", ".pac", ".sa")
    for name in ["genes.gff", "genome.fa.alt", *(f"genome.fa{suffix}" for suffix in suffixes)]:
        (lab.folder / name).write_text(name)
    sheet = lab.sheet("S1\tL1\treads/a.fastq.gz\treads/b.fastq.gz")
    done = lab.stage(str(lab.folder / sheet), "--configfile", "my.yaml")
    assert done.returncode == 0, done.stderr
    assert "Note: genome.fa.alt stays here" in done.stdout
    indexed = ["genome.fa", *(f"genome.fa{suffix}" for suffix in suffixes)]
    fasta, gff = lab.key("reference", *indexed), lab.key("reference", "genes.gff")
    assert yaml.safe_load((lab.folder / "config" / "aws.yaml").read_text()) == {
        "reference": {"fasta": f"s3://{lab.bucket}/{fasta}", "bwa_index": "prebuilt"},
        "calling": {"ploidy": "ploidy.txt", "windows": 3},
        "annotation": {"gff": f"s3://{lab.bucket}/{gff}"},
        "alignment": {"aligner": "bwa"},
        "reads": {"shards": 1},
        "samples": "config/samples.s3.tsv",
    }
    expected = {gff, *(str(Path(fasta).with_name(name)) for name in indexed)}
    assert {key for key in lab.objects() if key.startswith("reference/")} == expected
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow" / "Snakefile")]
    command += ["--configfile", "config/aws.yaml", "--dry-run", "--workflow-profile", "none", "--nocolor"]
    command += ["--default-storage-provider", "s3-inventory", "--default-storage-prefix", f"s3://{lab.bucket}/runs/a"]
    dry = subprocess.run(command, cwd=lab.folder, env=lab.env, capture_output=True, text=True, check=False)
    assert dry.returncode == 0, dry.stdout + dry.stderr
    assert re.search(r"^bcftools_call +3$", dry.stdout + dry.stderr, re.MULTILINE)


@pytest.mark.parametrize("aligner", ["bwa", "bwa-mem2"])
def test_an_index_that_a_run_built_serves_all_runs_with_the_reference(lab: Lab, aligner: str) -> None:
    s3 = lab.aws.client("s3")
    reference = lab.key("reference", "genome.fa")
    suffixes = {"bwa": ".amb .ann .bwt .pac .sa", "bwa-mem2": ".0123 .amb .ann .bwt.2bit.64 .pac"}[aligner].split()
    results = "runs/first/results"
    built = f"{results}/reference/{'bwa-mem2/' if aligner == 'bwa-mem2' else ''}genome.fa"

    def put(key: str, content: object) -> None:
        s3.put_object(Bucket=lab.bucket, Key=key, Body=str(content).encode())

    def staged(out: str) -> tuple[dict[str, Any], str]:
        done = lab.stage(sheet, "--configfile", "my.yaml", "--out-config", out)
        assert done.returncode == 0, done.stderr
        return yaml.safe_load((lab.folder / out).read_text())["reference"], done.stdout

    (lab.folder / "my.yaml").write_text(f"reference: {{fasta: genome.fa}}\nalignment: {{aligner: {aligner}}}\n")
    sheet = lab.sheet("S1\tL1\treads/a.fastq.gz")
    own = {"fasta": f"s3://{lab.bucket}/{reference}"}
    # Other runs: of another reference, with another aligner, not finished, and one that removed its index.
    other = "bwa" if aligner == "bwa-mem2" else "bwa-mem2"
    for run, fasta, by in (("a", "s3://x/y.fa", aligner), ("b", own["fasta"], other), ("c", own["fasta"], aligner)):
        config = {"reference": {"fasta": fasta, "bwa_index": "build"}, "alignment": {"aligner": by}}
        put(f"runs/{run}/results/run.json", json.dumps({"config": config}))
    put("runs/d/results/run.json", "{")
    put(f"{results}/reference/genome.fa", ">whole")
    for suffix in suffixes:
        put(built + suffix, suffix)
    assert staged("config/before.yaml")[0] == own

    config = {"reference": {**own, "bwa_index": "build"}, "alignment": {"aligner": aligner}}
    put(f"{results}/run.json", json.dumps({"config": config}))

    version = {"bwa": "0.7.18", "bwa-mem2": "2.3"}[aligner]
    folder = f"{reference.rpartition('/')[0]}/{aligner}-{version}"
    shared = {"fasta": f"s3://{lab.bucket}/{folder}/genome.fa", "bwa_index": "prebuilt"}
    found, said = staged("config/second.yaml")
    assert found == shared
    assert "that run first built, copied to" in said
    expected = {f"{folder}/genome.fa": b">whole"} | {f"{folder}/genome.fa{end}": end.encode() for end in suffixes}
    assert {key: body for key, body in lab.objects().items() if key.startswith(folder)} == expected

    # The first run is removed, and its index stays. What was written before stays as it was.
    for key in lab.objects():
        if key.startswith("runs/first/"):
            s3.delete_object(Bucket=lab.bucket, Key=key)
    assert staged("config/third.yaml")[0] == staged("config/second.yaml")[0] == shared
    assert staged("config/before.yaml")[0] == own


def test_a_file_that_changed_gets_a_place_of_its_own(lab: Lab) -> None:
    sheet = lab.sheet("S1\tL1\treads/a.fastq.gz\treads/b.fastq.gz")
    assert lab.stage(sheet).returncode == 0
    changed = lab.folder / "reads" / "a.fastq.gz"
    before, old = changed.read_bytes(), lab.key("raw/S1/L1", changed)
    changed.write_bytes(before[:-1] + b"X")
    lab.sent()
    again = lab.stage(sheet)
    assert again.returncode == 0, again.stderr
    new = lab.key("raw/S1/L1", changed)
    assert lab.sent() == [new]
    assert {key: lab.objects()[key] for key in (old, new)} == {old: before, new: changed.read_bytes()}
    assert f"s3://{lab.bucket}/{new}" in (lab.folder / "config" / "samples.s3.tsv").read_text()


def test_projects_do_not_meet_in_a_bucket(lab: Lab) -> None:
    """Two projects whose samples, units and files have the same names keep their own."""
    sheet = lab.sheet("S1\tL1\treads/a.fastq.gz")
    assert lab.stage(sheet).returncode == 0
    first = lab.objects()
    (lab.folder / "genome.fa").write_text(">chr\nTTTT\n")
    (lab.folder / "reads" / "a.fastq.gz").write_bytes(b"another laboratory's")
    other = lab.stage(sheet, "--out", "config/other.tsv", "--out-config", "config/other.yaml")
    assert other.returncode == 0, other.stderr
    both = lab.objects()
    assert len(first) == 2 and len(both) == 4 and both.items() >= first.items()


def test_what_version_0_1_staged_is_not_sent_again(lab: Lab) -> None:
    """Its keys had no digest. What lies there and is the same is named in the sheet, so that runs with it go on."""
    s3 = lab.aws.client("s3")
    kept = {"raw/S1/L1/a.fastq.gz": "reads/a.fastq.gz", "reference/genome.fa": "genome.fa"}
    for key, path in kept.items():
        content = (lab.folder / path).read_bytes()
        s3.put_object(
            Bucket=lab.bucket, Key=key, Body=content, Metadata={"sha256": hashlib.sha256(content).hexdigest()}
        )
    s3.put_object(Bucket=lab.bucket, Key="raw/S1/L1/b.fastq.gz", Body=b"of another project")
    lab.sent()
    done = lab.stage(lab.sheet("S1\tL1\treads/a.fastq.gz\treads/b.fastq.gz"))
    assert done.returncode == 0, done.stderr
    mate = lab.key("raw/S1/L1", "reads/b.fastq.gz")
    assert lab.sent() == [mate]
    written = (lab.folder / "config" / "samples.s3.tsv").read_text()
    assert f"s3://{lab.bucket}/raw/S1/L1/a.fastq.gz\ts3://{lab.bucket}/{mate}\n" in written
    config = yaml.safe_load((lab.folder / "config" / "aws.yaml").read_text())
    assert config["reference"]["fasta"] == f"s3://{lab.bucket}/reference/genome.fa"
    assert lab.objects()["raw/S1/L1/b.fastq.gz"] == b"of another project"


def test_a_damaged_object_is_refused_or_replaced(lab: Lab) -> None:
    sheet = lab.sheet("S1\tL1\treads/a.fastq.gz\treads/b.fastq.gz")
    key = lab.key("raw/S1/L1", "reads/a.fastq.gz")
    lab.aws.client("s3").put_object(Bucket=lab.bucket, Key=key, Body=b"half")
    lab.sent()
    refused = lab.stage(sheet)
    assert refused.returncode == 1
    assert "line 2, fq1: reads/a.fastq.gz is not what" in refused.stderr and "--replace" in refused.stderr
    assert lab.sent() == []
    replaced = lab.stage(sheet, "--replace")
    assert replaced.returncode == 0, replaced.stderr
    assert key in lab.sent()
    assert lab.objects()[key] == (lab.folder / "reads" / "a.fastq.gz").read_bytes()
    assert len(lab.aws.client("s3").list_object_versions(Bucket=lab.bucket, Prefix=key)["Versions"]) == 2


@pytest.mark.parametrize("options", [(), ("--directory", "data/run")])
def test_a_run_of_another_folder_is_staged_from_here(lab: Lab, options: tuple[str, ...]) -> None:
    """As with the demo: sheet and configuration were written for `snakemake --directory data/run`."""
    run = lab.folder / "data" / "run"
    run.mkdir(parents=True)
    (lab.folder / "reads").rename(run / "reads")
    (lab.folder / "genome.fa").rename(run / "genome.fa")
    sheet = lab.sheet("S1\tL1\treads/a.fastq.gz\treads/b.fastq.gz", name="data/run/samples.tsv")
    (run / "config.yaml").write_text("samples: samples.tsv\nreference: {fasta: genome.fa}\ncalling: {windows: 3}\n")
    done = lab.stage(sheet, "--configfile", "data/run/config.yaml", *options)
    assert done.returncode == 0, done.stderr
    assert "Relative paths start from data/run" in done.stdout
    written = yaml.safe_load((run / "config" / "aws.yaml").read_text())
    assert written["samples"] == "samples.s3.tsv" and (run / "samples.s3.tsv").is_file()
    # The printed command works as it stands, but for the profile, which needs a whole stack.
    command = next(line for line in done.stdout.splitlines() if line.endswith("--dry-run"))
    words = command.replace(f"--profile {ROOT / 'profiles' / 'aws'}", "--workflow-profile none").split()
    assert words[0] == str(Path(sys.executable).with_name("snakemake"))
    words += ["--default-storage-provider", "s3-inventory", "--default-storage-prefix", f"s3://{lab.bucket}/runs/a"]
    dry = subprocess.run(
        [*words, "--nocolor"], cwd=lab.folder, env=lab.env, capture_output=True, text=True, check=False
    )
    assert dry.returncode == 0, dry.stdout + dry.stderr
    assert re.search(r"^bcftools_call +3$", dry.stdout + dry.stderr, re.MULTILINE)


def test_files_that_lie_here_and_there_are_looked_for_here(lab: Lab) -> None:
    (lab.folder / "data").mkdir()
    (lab.folder / "data" / "more.fastq.gz").write_bytes(b"x")
    done = lab.stage(lab.sheet("S1\tL1\treads/a.fastq.gz\tmore.fastq.gz", name="data/samples.tsv"))
    assert done.returncode == 1 and "more.fastq.gz: no such file" in done.stderr
    missing = lab.stage("config/samples.tsv", "--directory", "nowhere")
    assert missing.returncode == 1 and "--directory: found nowhere" in missing.stderr


def test_an_object_that_came_another_way_is_known_by_its_checksum(lab: Lab) -> None:
    s3 = lab.aws.client("s3")
    s3.put_object(Bucket=lab.bucket, Key="reference/genome.fa", Body=b">chr\nACGT\n")
    item = Item(lab.folder / "genome.fa", "reference/genome.fa", "reference.fasta")
    other = Item(lab.folder / "reads" / "b.fastq.gz", "raw/S1/L1/b.fastq.gz", "line 2, fq1")
    s3.put_object(Bucket=lab.bucket, Key=other.key, Body=b"?" * other.path.stat().st_size)
    found = Uploads(s3, lab.bucket).compare([item, other])
    assert found == {item: State.SAME, other: State.DIFFERENT}


def test_all_that_is_wrong_is_told_at_once_and_nothing_is_sent(lab: Lab) -> None:
    (lab.folder / "reads" / "empty.fastq.gz").write_bytes(b"")
    sheet = lab.sheet("S1\tL1\treads/a.fastq.gz\treads/missing.fastq.gz", "S1\tL2\treads/empty.fastq.gz")
    (lab.folder / "genome.fa").unlink()
    done = lab.stage(sheet)
    assert done.returncode == 1
    for words in (
        "genome.fa: no such file",
        "line 2: reads/missing.fastq.gz: no such file",
        "line 3: reads/empty.fastq",
    ):
        assert words in done.stderr
    assert lab.aws.requests() == []
    assert not (lab.folder / "config" / "samples.s3.tsv").exists()

    wrong = lab.stage(lab.sheet("S 1\tL1\treads/a.fastq.gz"))
    assert wrong.returncode == 1 and "line 2: sample: found 'S 1'" in wrong.stderr
    (lab.folder / "config" / "config.yaml").write_text("reference: {fasta: genome.fa}\nreads: {shard: 2}\n")
    wrong = lab.stage(lab.sheet("S1\tL1\treads/a.fastq.gz"))
    assert wrong.returncode == 1 and "reads.shard: is not a key of the configuration" in wrong.stderr
    (lab.folder / "config" / "config.yaml").write_text("reference: {fasta: genome.fa}\nfilters: {Mine: IMF < 0.1}\n")
    two = lab.stage(lab.sheet("S1\tL1\treads/a.fastq.gz", "S2\tL1\treads/b.fastq.gz"))
    assert two.returncode == 1 and "config.yaml), nothing was sent:\n  - filters.Mine: found 'IMF < 0.1'" in two.stderr
    assert "Traceback" not in done.stderr + wrong.stderr


@pytest.mark.parametrize(("sent", "known_by"), [("when_supported", "ChecksumCRC32"), ("when_required", "ETag")])
def test_an_object_that_came_in_parts_is_known_by_their_checksums(
    lab: Lab, sent: Literal["when_supported", "when_required"], known_by: str
) -> None:
    large = lab.folder / "large.fastq"
    large.write_bytes(os.urandom(11 * MIB))
    item = Item(large, "raw/S1/L1/large.fastq", "line 2, fq1")
    client = lab.aws.client("s3", config=Config(request_checksum_calculation=sent))
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    client.upload_file(str(large), lab.bucket, item.key, Config=config)
    head = client.head_object(Bucket=lab.bucket, Key=item.key, ChecksumMode="ENABLED")
    assert head[known_by].strip('"').endswith("-3") and ("ChecksumCRC32" in head) == (sent == "when_supported")
    assert Uploads(client, lab.bucket).compare([item]) == {item: State.SAME}
    large.write_bytes(os.urandom(11 * MIB))
    assert Uploads(client, lab.bucket).compare([item]) == {item: State.DIFFERENT}


def test_what_cannot_be_written_is_told_before_anything_is_sent(lab: Lab) -> None:
    sheet = lab.sheet("S1\tL1\treads/a.fastq.gz")
    (lab.folder / "config" / "aws.yaml").write_text("mine: true\n")
    foreign = lab.stage(sheet)
    assert foreign.returncode == 1 and "config/aws.yaml was not written by terraflow stage" in foreign.stderr
    both = lab.stage(sheet, "--out", "config/x", "--out-config", "config/x")
    assert both.returncode == 1 and "name two files" in both.stderr
    assert lab.objects() == {}


def test_a_file_that_goes_away_is_told(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(lab.folder)
    for name, value in lab.env.items():
        monkeypatch.setenv(name, value)
    send = Uploads.send

    def late(self: Uploads, *arguments: Any) -> None:
        (lab.folder / "reads" / "a.fastq.gz").unlink()
        send(self, *arguments)

    monkeypatch.setattr(Uploads, "send", late)
    assert main(["stage", lab.sheet("S1\tL1\treads/a.fastq.gz")]) == 1
    assert "reads/a.fastq.gz: No such file or directory" in capsys.readouterr().err


def test_a_sheet_that_changes_meanwhile_is_told(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines are found again by their number: others would get another sample's reads."""
    from terraflow import stage

    sheet = lab.sheet("A\tL1\treads/a.fastq.gz", "B\tL1\treads/b.fastq.gz")
    send = stage._send

    def edited(*asked: Any) -> None:
        send(*asked)
        lab.sheet("B\tL1\treads/b.fastq.gz", "A\tL1\treads/a.fastq.gz")

    monkeypatch.setattr(stage, "_send", edited)
    monkeypatch.chdir(lab.folder)
    for name, value in lab.env.items():
        monkeypatch.setenv(name, value)
    assert main(["stage", sheet]) == 1
    assert f"{sheet} has changed while files were sent" in capsys.readouterr().err
    assert not (lab.folder / "config" / "samples.s3.tsv").exists()


def test_what_aws_refuses_is_told_in_words(lab: Lab) -> None:
    sheet = lab.sheet("S1\tL1\treads/a.fastq.gz")
    lab.aws.fault(call="error", service="s3", operation="PutObject", key="raw/*", status=403, code="AccessDenied")
    denied = lab.stage(sheet)
    assert denied.returncode == 1
    assert "AWS refuses" in denied.stderr and "Traceback" not in denied.stderr
    lab.env["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
    away = lab.stage(sheet)
    assert away.returncode == 1 and "AWS does not answer" in away.stderr
    lab.env["TERRAFLOW_STACK"] = str(lab.folder / "none.json")
    none = lab.stage(sheet)
    assert none.returncode == 1 and "make deploy" in none.stderr


def test_a_large_file_goes_in_parts_and_is_tried_again(lab: Lab) -> None:
    large = lab.folder / "large.fastq"
    large.write_bytes(os.urandom(12 * MIB))
    item = Item(large, "raw/S1/L1/large.fastq", "line 2, fq1")
    lab.aws.fault(call="error", service="s3", operation="UploadPart", status=503, code="SlowDown", times=2)
    moved: list[int] = []
    whole: list[Item] = []
    uploads = Uploads(lab.aws.client("s3"), lab.bucket, parts_above=5 * MIB, part=5 * MIB)
    uploads.send([item], moved.append, whole.append)
    assert lab.objects() == {item.key: large.read_bytes()}
    assert sum(moved) == 12 * MIB and whole == [item]
    head = lab.aws.client("s3").head_object(Bucket=lab.bucket, Key=item.key, ChecksumMode="ENABLED")
    assert head["ChecksumType"] == "FULL_OBJECT"
    assert uploads.compare([item]) == {item: State.SAME}


def test_an_error_in_the_middle_leaves_nothing_that_looks_whole(lab: Lab) -> None:
    large = lab.folder / "large.fastq"
    large.write_bytes(os.urandom(12 * MIB))
    item = Item(large, "raw/S1/L1/large.fastq", "line 2, fq1")
    client = lab.aws.client("s3")
    lab.aws.fault(call="error", service="s3", operation="UploadPart", status=403, code="AccessDenied", skip=1)
    with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
        Uploads(client, lab.bucket, parts_above=5 * MIB, part=5 * MIB).send([item], lambda _: None, lambda _: None)
    assert lab.objects() == {}
    assert "Uploads" not in client.list_multipart_uploads(Bucket=lab.bucket)


def test_a_file_that_changes_while_it_is_sent_is_noticed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    growing = lab.folder / "growing.fastq"
    growing.write_bytes(b"@a\n")
    client = lab.aws.client("s3")
    uploads = Uploads(client, lab.bucket)
    from terraflow import upload

    read = upload.fingerprint

    def grows(path: Path, *rest: Any) -> upload.Fingerprint:
        found = read(path, *rest)
        path.write_bytes(b"@a\nACGT\n")
        return found

    monkeypatch.setattr(upload, "fingerprint", grows)
    with pytest.raises(UserError, match=r"growing\.fastq"):
        uploads.send([Item(growing, "raw/S1/L1/growing.fastq", "line 2")], lambda _: None, lambda _: None)


def test_an_interrupted_upload_is_aborted(lab: Lab) -> None:
    (lab.folder / "reads" / "a.fastq.gz").write_bytes(os.urandom(100 * MIB))
    sheet = lab.sheet("Interrupted\tL1\treads/a.fastq.gz")
    # Two parts arrive, the others never: the upload is under way for as long as the test needs.
    lab.aws.fault(
        call="error", service="s3", operation="UploadPart", key="raw/Interrupted/*", status=503, skip=2, times=10_000
    )
    command = [sys.executable, "-m", "terraflow.cli", "stage", sheet]
    process = subprocess.Popen(command, cwd=lab.folder, env=lab.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    client = lab.aws.client("s3")
    for _ in range(3000):
        if "Uploads" in client.list_multipart_uploads(Bucket=lab.bucket):
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors.decode()
    assert errors.decode().strip().endswith("interrupted") and "Traceback" not in errors.decode()
    assert "Uploads" not in client.list_multipart_uploads(Bucket=lab.bucket)
    assert not [key for key in lab.objects() if key.startswith("raw/")]
    assert not (lab.folder / "config" / "samples.s3.tsv").exists()
