"""`snakemake --profile aws` from end to end: Terraform's stack, the real images, and a container for each job.

The demo with what it moves; a real sample; what AWS does to jobs and calls; interruption; what users get wrong.
"""

import gzip
import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import needs
import pytest
from laboratory import Laboratory
from stacks import Deployed

import real_reads
from shared import ROOT
from snakemake_aws_common import prices
from snakemake_aws_common.record.attempt import COMPLETED, FAILED
from snakemake_aws_common.record.store import read_attempts
from strict_aws import Aws
from terraflow.costs.bill import lines_of

JOBS_OF_DEMO = {
    **{"lane": 3, "alignment": 2, "bcftools_call": 4, "windows": 2},
    **dict.fromkeys(("reference", "bwa_index", "annotation", "csq", "filters", "variants", "consequences"), 1),
    **dict.fromkeys(("bcftools_stats", "variant_table", "coverage_plot", "calling_reads", "versions", "multiqc"), 1),
}


@pytest.fixture
def new_lab(aws: Aws, deployed_stack: Deployed, tmp_path: Path) -> Iterator[Callable[[], Laboratory]]:
    """Project folders; the stack and its bucket are shared."""
    needs.need_docker()
    made: list[Laboratory] = []

    def make() -> Laboratory:
        folder = tmp_path / f"project{len(made)}"
        folder.mkdir()
        made.append(Laboratory(aws, deployed_stack, folder))
        return made[-1]

    yield make
    for laboratory in made:
        laboratory.close()
    if made:
        subprocess.run(["docker", "rmi", *made[0].outputs["images"].values()], capture_output=True, check=False)


@pytest.fixture
def lab(new_lab: Callable[[], Laboratory]) -> Laboratory:
    """One project folder."""
    return new_lab()


def simulated(lab: Laboratory, *options: str) -> Path:
    """Made-up data in a folder, as `make demo` makes them, staged."""
    folder = lab.folder / "data"
    command = [sys.executable, "demo/simulate.py", "--out", str(folder), *options]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    if (packed := folder / "reference.fa.gz").is_file():
        (folder / "reference.fa").write_bytes(gzip.decompress(packed.read_bytes()))
    lab.stage(folder / "samples.tsv", folder / "config.yaml")
    return folder


def evaluate(lab: Laboratory, run: str, folder: Path) -> None:
    """All planted variants and no others are among the run's results."""
    lab.fetch(run, folder)
    command = [sys.executable, "-B", "demo/evaluate.py", "--run", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def kind_of(key: str) -> str:
    """Return the folder of an object, without that of its run: `raw`, `reads`, `qc`, `report.html`."""
    parts = key.removeprefix("runs/").split("/")
    if not key.startswith("runs/"):
        return parts[0]
    return next((part for part in parts[1:] if part != "results"), "").split(".")[0]


def is_of_head(call: dict[str, Any]) -> bool:
    """Return whether a request is for what heads keep of a run, not for its data."""
    return "/head/" in str(call.get("key") or "")


def bytes_moved(lab: Laboratory, requests: list[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    """Bytes to and from the bucket, for each kind of object."""
    to: Counter[str] = Counter()
    back: Counter[str] = Counter()
    for call in requests:
        if call["service"] == "s3" and call["bucket"] == lab.bucket and call["operation"] != "ListObjectsV2":
            to[kind_of(call["key"])] += call["received"]
            back[kind_of(call["key"])] += call["sent"]
    return {kind: (to[kind], back[kind]) for kind in sorted({*to, *back}, key=lambda kind: -to[kind] - back[kind])}


def table(moved: dict[str, tuple[int, int]], reads: int) -> str:
    """Bytes by kind, and how many times the reads they are."""
    rows = [f"{kind:<30}{up:>12,}{down:>12,}{(up + down) / reads:>7.2f}" for kind, (up, down) in moved.items()]
    total = sum(up + down for up, down in moved.values())
    return "\n".join(
        [f"{'':<30}{'to S3':>12}{'from S3':>12}", *rows, f"{total / reads:.2f} times the {reads:,} of reads"]
    )


def requirements(job: dict[str, Any]) -> dict[str, float]:
    """vCPUs and MiB of a job."""
    return {entry["type"]: float(entry["value"]) for entry in job["container"]["resourceRequirements"]}


def test_the_demo(lab: Laboratory) -> None:
    folder = simulated(lab)
    reads = sum(path.stat().st_size for path in folder.glob("reads/*"))
    dry = lab.run("--dry-run", run="demo")
    assert re.search(r"^total +38$", dry, re.MULTILINE)
    assert lab.jobs("demo") == []
    staged = lab.keys("raw/") | lab.keys("reference/")
    lab.aws.requests(forget=True)

    begun = time.monotonic()
    lab.run(run="demo")
    took = time.monotonic() - begun

    requests = lab.aws.requests(forget=True)
    evaluate(lab, "demo", folder)
    jobs = lab.jobs("demo")
    assert Counter(job["tags"]["terraflow:rule"] for job in jobs) == JOBS_OF_DEMO
    assert {(job["status"], len(job["attempts"])) for job in jobs} == {("SUCCEEDED", 1)}
    assert len({job["container"]["taskArn"] for job in jobs}) == len(jobs), "each has a container of its own"
    assert {job["jobQueue"].split("/")[-1] for job in jobs} == {lab.outputs["queues"]["spot"]}
    images = {job["tags"]["terraflow:rule"]: job["container"]["image"] for job in jobs}
    report = {rule for rule, image in images.items() if image == lab.outputs["images"]["report"]}
    assert report == {"multiqc", "coverage_plot"}
    assert all(requirements(job)["VCPU"] <= 4 for job in jobs)
    left = lab.keys("runs/demo/")
    assert not [key for key in left if re.search(r"results/(?:bwa_mem|slices)/|\.fastq", key)]
    assert {"results/report.html", "results/qc/multiqc.html", "results/variants/all.vcf.gz"} <= left
    assert lab.keys("raw/") | lab.keys("reference/") == staged

    moved = bytes_moved(lab, requests)
    print(table(moved, reads))
    assert sum(map(sum, moved.values())) < 6 * reads
    calls = [call for call in requests if call["service"] == "s3"]
    callers = Counter(call["caller"] for call in calls)
    head, *workers = callers.most_common()
    # The record of the run, and what else heads keep of it; what runs is written anew as time passes.
    about = [call for call in calls if call["caller"] == head[0] and is_of_head(call)]
    live = [call for call in about if call["key"].endswith("live.json")]
    print(
        f"{len(jobs)} jobs; S3 requests: head {head[1]}, {len(about)} about the run ({len(live)} for what runs), "
        f"at most {workers[0][1]} others"
    )
    assert head[1] - len(about) <= 8 * len(jobs)
    assert len(about) - len(live) <= 3 * len(jobs)
    assert len(live) <= took / 10 + 8

    assert "Nothing to be done" in lab.run(run="demo")
    assert len(lab.jobs("demo")) == len(jobs)


def header_and_records(vcf: Path) -> tuple[list[str], list[str]]:
    """Return the header without paths, commands and dates, and all columns of all records."""
    text = subprocess.run(["bcftools", "view", "--no-version", vcf], check=True, capture_output=True, text=True).stdout
    lines = text.splitlines()
    header = [line for line in lines if line.startswith("#")]
    return (
        [line for line in header if not re.match(r"##(?:bcftools\w*Command|reference|fileDate)=", line)],
        lines[len(header) :],
    )


@real_reads.needed
def test_a_real_sample_of_four_lanes_as_on_this_machine(lab: Laboratory) -> None:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from truthset.folder import find_truth
    from truthset.scores import score_sample

    truth, folder = find_truth(real_reads.GIAB), lab.folder / "giab"
    command = [sys.executable, "-B", str(ROOT / "benchmarks" / "accuracy.py"), str(real_reads.GIAB)]
    scores = folder / "scores.json"
    command += ["--workdir", str(folder), "--cores", "2", "--json", str(scores)]
    subprocess.run(command, check=True, capture_output=True)
    lab.stage(folder / "samples.tsv", folder / "config.yaml")

    lab.run(run="giab")

    lab.fetch("giab", lab.folder / "fetched")
    name = Path("results/variants/all.vcf.gz")
    calls = lab.folder / "fetched" / name
    here, there = header_and_records(folder / name), header_and_records(calls)
    assert there == here
    assert len(here[1]) > 200
    found = [score.as_dict() for score in score_sample(truth, "NA12878", calls, truth.reference)]
    assert found == json.loads(scores.read_text())
    counted = {(score["bed"], score["type"]): (score["tp"], score["fp"], score["fn"]) for score in found}
    assert counted["confident_strict10k", "SNP"] == (45, 0, 0)
    assert counted["confident_strict10k", "indel"] == (4, 0, 0)
    assert len(lab.jobs("giab", "lane")) == 4


def test_what_aws_does_to_jobs_and_calls_is_survived(lab: Laboratory) -> None:
    folder = simulated(lab)
    aws = lab.aws
    aws.fault(job="reclaim", name="stormy-lane-sampleB-*", process="bwa mem")
    aws.fault(job="out_of_memory", name="stormy-alignment-sampleA-*")
    aws.fault(job="network", name="stormy-filters-*")
    aws.fault(
        call="error", service="batch", operation="SubmitJob", status=429, code="TooManyRequestsException", times=4
    )
    aws.fault(call="error", service="batch", operation="DescribeJobs", status=500, code="ServerException", times=3)
    aws.fault(call="error", service="s3", operation="PutObject", key="runs/stormy/*", times=5, skip=3)
    aws.fault(call="error", service="s3", operation="GetObject", status=500, code="InternalError", times=5, skip=2)
    aws.fault(call="truncate", service="s3", operation="GetObject", key="raw/*", times=2)
    aws.fault(call="reset", service="s3", operation="GetObject", key="reference/*")

    text = lab.run(run="stormy")

    assert aws.faults() == [], "all of them struck"
    evaluate(lab, "stormy", folder)
    (lane,) = [job for job in lab.jobs("stormy", "lane") if job["tags"]["terraflow:sample"] == "sampleB"]
    reclaimed, _ = lane["attempts"]
    assert reclaimed["statusReason"].startswith("Your Spot Task")
    recorded = read_attempts(lab.aws.client("s3"), lab.bucket, "runs/stormy")
    lost, again = [one for one in recorded if one.native_id == lane["jobId"]]
    assert (lost.attempt, lost.status, lost.spot, lost.reason) == (1, FAILED, True, reclaimed["statusReason"])
    assert (again.attempt, again.status) == (2, COMPLETED)
    lines = lines_of([lost, again], prices.load(lab.outputs["region"]))
    assert all(sum(line.nano for line in lines if line.attempt[1] == number) > 0 for number in (1, 2))
    first, second = [job for job in lab.jobs("stormy", "alignment") if job["tags"]["terraflow:sample"] == "sampleA"]
    assert (first["status"], second["status"]) == ("FAILED", "SUCCEEDED")
    assert requirements(second)["MEMORY"] == 2 * requirements(first)["MEMORY"]
    assert "It ran out of memory" in text
    succeeded = Counter(job["jobName"] for job in lab.jobs("stormy") if job["status"] == "SUCCEEDED")
    assert [name for name, times in succeeded.items() if times > 1] == []
    assert lab.active("stormy") == []


def test_an_interrupted_and_a_killed_head(lab: Laboratory) -> None:
    folder = simulated(lab, "--small")

    def running(rule: str) -> list[dict[str, Any]]:
        # Those of the head before, which are told to end, may take a while.
        found = lab.jobs("night", rule)
        return [job for job in found if job["status"] == "RUNNING" and not job["isTerminated"]]

    interrupted = lab.start(run="night")
    interrupted.until(lambda: running("lane"))
    begun = time.monotonic()
    interrupted.kill(signal.SIGINT)
    text = interrupted.end(expected=None)
    print(f"ended {time.monotonic() - begun:.1f} s after Ctrl-C")
    assert interrupted.process.returncode != 0
    assert re.search(r"Ending \d+ Batch job", text)
    made = {job["jobName"] for job in lab.jobs("night") if job["status"] == "SUCCEEDED"}

    killed = lab.start(run="night")
    killed.until(lambda: running("lane"))
    killed.kill(signal.SIGKILL)
    killed.end(expected=-signal.SIGKILL)
    alive = {job["jobName"] for job in lab.active("night")}
    assert alive

    text = lab.run(run="night")

    evaluate(lab, "night", folder)
    assert "an earlier start made Batch job" in text
    succeeded = Counter(job["jobName"] for job in lab.jobs("night") if job["status"] == "SUCCEEDED")
    assert [name for name, times in succeeded.items() if times > 1] == [], "nothing was done twice"
    assert made | alive <= set(succeeded)
    assert lab.active("night") == []
    assert "Nothing to be done" in lab.run(run="night")


def test_a_damaged_fastq_is_told_in_the_words_of_decompress(lab: Laboratory) -> None:
    folder = simulated(lab, "--small")
    lane = next(folder.glob("reads/sampleB*"))
    with gzip.open(lane, "rb") as reads:
        lines = reads.read().splitlines(keepends=True)
    lines[4 * 20 + 3] = b"#" + lines[4 * 20 + 3]
    lane.write_bytes(gzip.compress(b"".join(lines)))
    lab.stage(folder / "samples.tsv", folder / "config.yaml")

    text = lab.run("--keep-going", run="damaged", expected=1)

    failure = text[text.index("Group lane (sample=sampleB") :]
    assert re.search(r"\| .*sampleB\S+\.gz.*record 21", failure), failure
    assert "run again: no, since the cause stays" in failure
    (job,) = [job for job in lab.jobs("damaged", "lane") if job["tags"]["terraflow:sample"] == "sampleB"]
    assert f"--log-stream-names {job['container']['logStreamName']}" in failure
    left = lab.keys("runs/damaged/")
    assert not [key for key in left if "sampleB" in key and re.search("reads|bwa_mem|alignments", key)]
    assert "results/alignments/sampleA.cram" in left, "what does not need it is made"
    assert lab.active("damaged") == []


def test_a_missing_input_is_named_before_anything_runs(lab: Laboratory) -> None:
    simulated(lab, "--small")
    lane = lab.sheet()[0]["fq1"]
    lab.s3.delete_object(Bucket=lab.bucket, Key=lane.removeprefix(f"s3://{lab.bucket}/"))
    text = lab.run(run="missing", expected=1)
    assert lane in text and "Traceback" not in text
    assert lab.jobs("missing") == []


def test_an_inactive_definition_is_told_before_anything_runs(lab: Laboratory) -> None:
    simulated(lab, "--small")
    name = lab.outputs["job_definitions"]["20"]
    (active,) = lab.batch.describe_job_definitions(jobDefinitionName=name, status="ACTIVE")["jobDefinitions"]
    lab.batch.deregister_job_definition(jobDefinition=active["jobDefinitionArn"])
    try:
        text = lab.run(run="inactive", expected=1)
    finally:
        given = ("type", "containerProperties", "retryStrategy", "timeout", "propagateTags", "platformCapabilities")
        again = {field: active[field] for field in (*given, "tags") if field in active}
        lab.batch.register_job_definition(jobDefinitionName=name, **again)
    assert f"Job definition {name} has no active revision" in text
    assert lab.jobs("inactive") == []


def test_runs_of_two_names_do_not_touch_each_other(new_lab: Callable[[], Laboratory]) -> None:
    labs = {"one": new_lab(), "two": new_lab()}
    for lab in labs.values():
        simulated(lab, "--small")
    heads = [lab.start("--until", "fastqc", "fastqc_single", run=run) for run, lab in labs.items()]
    for head in heads:
        head.end()
    made = [lab.keys(f"runs/{run}/results/") for run, lab in labs.items()]
    assert made[0] == made[1] != set()
    for run, lab in labs.items():
        assert {job["status"] for job in lab.jobs(run)} == {"SUCCEEDED"}
        assert {job["tags"]["terraflow:run"] for job in lab.jobs(run)} == {run}
