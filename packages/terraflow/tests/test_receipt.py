"""The receipt of a run: a Workflow Run Crate that names inputs, outputs, parameters, programs, people and cost."""

import json
from dataclasses import asdict, replace
from typing import Any

import boto3
import pytest
from rocrate.rocrate import ROCrate

import receipt_run
from receipt_run import ARCHIVE, DONE, FASTA, GFF, INTERMEDIATE, R1, R2, READS, RESULTS
from run_objects import BUCKET, LIVE, STACK, put, put_lock
from snakemake_aws_common import packing
from snakemake_aws_common.record.attempt import Attempt
from terraflow import receipt
from terraflow.errors import UserError
from terraflow.heads import about as abouts
from terraflow.receipt import reading

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/terraflow:worker-abc"
DEPLOYED = replace(STACK, architecture="X86_64", images={"worker": IMAGE})
# An hour of 4 vCPU and 8 GiB on demand.
ATTEMPT = Attempt(
    native_id="1", attempt=1, name="a", process="bwa_mem", wildcards={"sample": "A"}, is_group=False, hash="",
    status="COMPLETED", exit=0, reason="", queue="terraflow-ondemand", spot=False, definition="", log_stream="",
    cpus=4, memory=8 << 30, disk=20 << 30, submit=0, runnable=None, starting=None, start=0, complete=3_600_000,
    head="20260301T120000Z-ab12cd34", architecture="X86_64", public_address=False,
)  # fmt: skip


def written(s3: Any, about: abouts.About | None = None) -> dict[str, Any]:
    """Write the receipt, and return its entities by their ids."""
    address = receipt.write(DEPLOYED, "cohort7", about, s3)
    assert address == f"s3://{BUCKET}/runs/cohort7/ro-crate-metadata.json"
    content = json.loads(body(s3))
    assert content["@context"][:2] == [
        "https://w3id.org/ro/crate/1.1/context",
        "https://w3id.org/ro/terms/workflow-run/context",
    ]
    return {one["@id"]: one for one in content["@graph"]}


def body(s3: Any) -> bytes:
    """The bytes of the receipt."""
    answer: bytes = s3.get_object(Bucket=BUCKET, Key="runs/cohort7/ro-crate-metadata.json")["Body"].read()
    return answer


@pytest.fixture
def bucket(s3: Any) -> Any:
    """The stack's bucket with the run cohort7."""
    receipt_run.make(s3)
    return s3


def ids(references: Any) -> list[str]:
    """The ids in one reference or several."""
    return [one["@id"] for one in (references if isinstance(references, list) else [references])]


def test_it_is_a_workflow_run_crate(bucket: Any) -> None:
    """All that the profile requires: https://w3id.org/ro/wfrun/workflow/0.5, "Requirements", and what it extends."""
    found = written(bucket)
    descriptor, root = found["ro-crate-metadata.json"], found["./"]
    assert descriptor["about"] == {"@id": "./"}
    assert set(ids(descriptor["conformsTo"])) == {
        "https://w3id.org/ro/crate/1.1",
        "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
    }
    assert {"name", "description", "datePublished", "license"} <= root.keys()
    for profile in ("https://w3id.org/ro/wfrun/process/0.5", "https://w3id.org/ro/wfrun/workflow/0.5"):
        assert profile in ids(root["conformsTo"]) and found[profile]["@type"] == "CreativeWork"
    workflow = found[ids(root["mainEntity"])[0]]
    assert workflow["@id"] == ARCHIVE
    assert {"File", "SoftwareSourceCode", "ComputationalWorkflow"} == set(workflow["@type"])
    assert found[ids(workflow["programmingLanguage"])[0]]["name"] == "Snakemake"
    action = found[ids(root["mentions"])[0]]
    assert (action["@type"], action["instrument"]) == ("CreateAction", {"@id": ARCHIVE})
    parameters = [*ids(workflow["input"]), *ids(workflow["output"])]
    assert all(found[one]["@type"] == "FormalParameter" and found[one]["additionalType"] for one in parameters)
    used = [found[one] for one in (*ids(action["object"]), *ids(action["result"]))]
    assert {ids(one["exampleOfWork"])[0] for one in used} <= set(parameters)
    # Every reference leads somewhere.
    assert {one["@id"] for one in used if one["@type"] == "File"} | {ARCHIVE} == set(ids(root["hasPart"]))


def test_rocrate_reads_it(bucket: Any) -> None:
    written(bucket)
    crate = ROCrate(json.loads(body(bucket)))
    assert crate.mainEntity.id == ARCHIVE
    [action] = crate.get_by_type("CreateAction")
    assert {one.id for one in action["result"]} >= {"results/variants/all.vcf.gz", "results/alignments/A.cram"}


def test_inputs_and_outputs_have_checksums_and_reads_are_counted(bucket: Any) -> None:
    found = written(bucket)
    says = reading.parse(body(bucket), "here")
    assert set(says.outputs) == set(RESULTS) and INTERMEDIATE not in says.outputs
    for path, content in says.outputs.items():
        assert content.size == len(RESULTS[path])
        assert {"ChecksumCRC32", "md5"} <= content.checksums.keys()
    assert set(says.inputs) == {*READS, FASTA, GFF}
    assert says.inputs[GFF] is None
    staged = {address: content for address, content in says.inputs.items() if content}
    assert {address: content.checksums["sha256"] for address, content in staged.items()} == {
        address: receipt_run.digest(address) for address in (*READS, FASTA)
    }
    by_name = {one["name"]: one for one in found.values() if one["@type"] == "File"}
    counts = {address: found[by_name[address.rpartition("/")[2]]["additionalProperty"]["@id"]] for address in READS}
    assert {address: count["value"] for address, count in counts.items()} == READS
    assert by_name["R 2%+.fastq.gz"]["@id"] == "s3://data/raw/A/1/0123/R%202%25%2B.fastq.gz"


def test_parameters_programs_and_people(bucket: Any) -> None:
    found = written(bucket)
    values = {one["name"]: one["value"] for one in found.values() if one["@id"].startswith("#value-")}
    assert values == {
        "reference.bwa_index": "build",
        "calling.ploidy": 2,
        "calling.mode": "joint",
        "filters.LowQual": "QUAL<20",
    }
    assert found["#tool-bwa"]["softwareVersion"] == "0.7.18"
    assert found[ARCHIVE]["version"] == "0.3.0"
    action = found["#run"]
    assert found[ids(action["agent"])[0]]["name"] == "ada"
    assert (action["startTime"], action["endTime"]) == ("2026-03-01T12:00:00+00:00", "2026-03-01T12:30:00+00:00")
    assert action["actionStatus"] == "http://schema.org/CompletedActionStatus"
    assert "started by terraflow run" in action["description"]


def test_digests_of_images_and_the_cost(bucket: Any) -> None:
    ecr = boto3.client("ecr", region_name=STACK.region)
    ecr.create_repository(repositoryName="terraflow")
    media_type = "application/vnd.docker.distribution.manifest.v2+json"
    manifest = json.dumps({"schemaVersion": 2, "mediaType": media_type, "config": {"digest": "sha256:00"}})
    pushed = ecr.put_image(repositoryName="terraflow", imageManifest=manifest, imageTag="worker-abc")
    put(bucket, "cohort7", attempts=[ATTEMPT])
    found = written(bucket)
    image = found[ids(found["#run"]["containerImage"])[0]]
    assert image["sha256"] == pushed["image"]["imageId"]["imageDigest"].removeprefix("sha256:")
    assert (image["registry"], image["name"], image["tag"]) == (
        "123456789012.dkr.ecr.us-east-1.amazonaws.com",
        "terraflow",
        "worker-abc",
    )
    # us-east-1: 4 x $0.04048 + 8 x $0.004445 an hour, and half an hour of the head.
    cost = float(found["#cost"]["value"])
    assert 0.19748 < cost < 0.26
    assert ids(found["#run"]["resourceUsage"]) == ["#cost"]


@pytest.mark.parametrize(
    ("packed", "tag", "said"),
    [
        ({"stack.json": json.dumps(asdict(DEPLOYED)).encode()}, "worker-abc", None),
        ({"manifest.json": b"{}"}, "worker-today", "the archive has no stack.json."),
        ({"stack.json": b"{}"}, "worker-today", "the archive's stack.json is not whole: it lacks region"),
        ({"stack.json": b"{"}, "worker-today", "the archive's stack.json is no JSON"),
        (None, "worker-today", "The run does not say which images it had"),
    ],
)
def test_images_are_those_that_the_run_had(
    bucket: Any, packed: dict[str, bytes] | None, tag: str, said: str | None
) -> None:
    """Since then the stack was deployed with other images."""
    if packed is None:
        put(bucket, "cohort7", about=replace(DONE, archive=""))
    else:
        receipt_run.store(bucket, ARCHIVE, packing.pack(packed)[0])
    today = replace(DEPLOYED, images={"worker": IMAGE.replace("abc", "today")})
    receipt.write(today, "cohort7", s3=bucket)
    found = {one["@id"]: one for one in json.loads(body(bucket))["@graph"]}
    assert found[ids(found["#run"]["containerImage"])[0]]["tag"] == tag
    told = "those named here are the stack's when this was written" in body(bucket).decode()
    assert (told, said is None or said in body(bucket).decode()) == (said is not None, True)


def test_a_head_says_how_it_ends(bucket: Any) -> None:
    """A head that still holds the lock, and has not written its end yet."""
    put_lock(bucket, "cohort7")
    put(bucket, "cohort7", about=replace(DONE, state=abouts.RUNNING, ended=None), live=replace(LIVE, ended=None))
    failed = replace(DONE, state=abouts.FAILED, ended=DONE.started, message="bwa_mem of sample A failed")
    action = written(bucket, failed)["#run"]
    assert action["actionStatus"] == "http://schema.org/FailedActionStatus"
    assert action["error"] == "bwa_mem of sample A failed"
    assert action["endTime"] == "2026-03-01T12:00:00+00:00"


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        (["results/run.json"], "parameters and inputs are unknown"),
        (["results/qc/versions.tsv"], "versions of tools are unknown"),
        ([ARCHIVE], "The workflow itself was not kept with the run"),
        (["head/live.json"], "There is no record of run cohort7"),
        ([*RESULTS, "head/run.json"], "parameters and inputs are unknown"),
    ],
)
def test_what_is_not_known_is_said(bucket: Any, gone: list[str], said: str) -> None:
    for path in gone:
        bucket.delete_object(Bucket=BUCKET, Key=f"runs/cohort7/{path}")
    assert said in written(bucket)["#run"]["description"]
    assert set(reading.parse(body(bucket), "here").outputs) == set(RESULTS) - set(gone)


def test_a_broken_run_json_is_told(bucket: Any) -> None:
    receipt_run.store(bucket, "results/run.json", b"{")
    with pytest.raises(UserError, match=r"results/run\.json is not what the workflow writes there"):
        written(bucket)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"@graph": [{"@id": "./"}]}', b"\xff"])
def test_what_is_no_receipt_is_told(content: bytes) -> None:
    with pytest.raises(UserError, match=r"here is not a receipt of terraflow's .*--write"):
        reading.parse(content, "here")


def test_both_mates_are_inputs_once(bucket: Any) -> None:
    found = written(bucket)
    objects = ids(found["#run"]["object"])
    assert len(objects) == len(set(objects))
    assert {R1, R2.replace(" ", "%20").replace("%+", "%25%2B")} <= set(objects)
