"""What a 30x human genome is expected to cost on AWS: the workflow's own plan of it, by the model of costs.

    tools/run.sh python benchmarks/genome.py           writes the figures into README and docs/costs.md
    tools/run.sh python benchmarks/genome.py --check   fails if they are others
    tools/run.sh python benchmarks/genome.py --plan bwa    plans the run with this aligner anew, beforehand

The genome exists as names and sizes only: four lanes, the aligner's index prebuilt, 40 windows. The plan is the
executor's own, of a dry run with the AWS profile; moto stands in for S3.
"""

import argparse
import dataclasses
import json
import os
import re
import sys
import tempfile
from pathlib import Path

from snakemake_aws_common.rehearsal import Rehearsal, from_json, to_json
from speed import ROOT
from terraflow.costs import model as models
from terraflow.costs.estimate import estimate
from terraflow.costs.expected import Expected
from terraflow.stack import FILE_VARIABLE, Stack

BEGIN, END = "<!-- genome -->\n", "<!-- end of genome -->\n"
PRICE = re.compile(r"about \$[\d.]+ on Spot \(\$[\d.]+ to \$[\d.]+\), \$[\d.]+ on demand")
FEWER = re.compile(r"\d+ % fewer vCPU-hours")
BWA, BWA_MEM2 = "bwa", "bwa-mem2"
PLANS = {BWA: ROOT / "benchmarks/genome.json", BWA_MEM2: ROOT / "benchmarks/genome_bwa_mem2.json"}
BASES, DEPTH, READ, LANES = 3.1e9, 30, 150, 4
READS = BASES * DEPTH / READ
# Bytes of the files of the reference, relative to its bases, with the index of each aligner.
REFERENCE = {
    BWA: {"": 1.01, ".amb": 1e-6, ".ann": 1e-6, ".bwt": 1, ".pac": 0.25, ".sa": 0.5},
    BWA_MEM2: {"": 1.01, ".amb": 1e-6, ".ann": 1e-6, ".0123": 2, ".bwt.2bit.64": 3.25, ".pac": 0.25},
}
CONFIG = {
    "samples": "samples.tsv",
    "reference": {"fasta": "s3://genome/reference/genome.fa", "bwa_index": "prebuilt"},
    "reads": {"compression": "zstd"},
    "calling": {"windows": 40},
}
_TEXTS = {field.name: field.name for field in dataclasses.fields(Stack)}
STACK = Stack(
    **{
        **_TEXTS,
        "region": "us-east-1",
        "architecture": "X86_64",
        "bucket": "genome",
        "queues": {"spot": "spot", "ondemand": "ondemand", "head": "head"},
        "job_definitions": {str(gib): f"worker-{gib}gib" for gib in (20, 50, 100, 200)},
        "report_job_definition": "report",
        "tags": {"stack": "terraflow"},
    }  # type: ignore[arg-type]
)
# vCPUs at a time: a new account's quota, and the stack's default limit.
LIMITS = (6, 256)


def sizes(aligner: str) -> dict[str, int]:
    """Return the bytes of all files, by their keys."""
    read = models.load().bytes_per_read[".gz"]
    lanes = {
        f"raw/L{lane}_R{mate}.fastq.gz": READS / LANES / 2 * read for lane in range(1, LANES + 1) for mate in (1, 2)
    }
    reference = {f"reference/genome.fa{ending}": BASES * share for ending, share in REFERENCE[aligner].items()}
    return {key: int(size) for key, size in {**lanes, **reference}.items()}


def plan(folder: Path, aligner: str) -> Rehearsal:
    """Plan the run with an aligner in a folder. S3 holds a byte for each file; its size is as `sizes` says."""
    import boto3
    from moto.server import ThreadedMotoServer

    from snakemake_executor_plugin_aws_batch_fargate import rehearsal
    from snakemake_storage_plugin_s3_inventory.storage_object import StorageObject

    known = sizes(aligner)
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    raw = "s3://genome/raw"
    rows = [f"NA12878\tL{n}\t{raw}/L{n}_R1.fastq.gz\t{raw}/L{n}_R2.fastq.gz" for n in range(1, LANES + 1)]
    (folder / "samples.tsv").write_text("\n".join(["sample\tunit\tfq1\tfq2", *rows]) + "\n")
    (folder / "config.yaml").write_text(json.dumps({**CONFIG, "alignment": {"aligner": aligner}}))
    (folder / "stack.json").write_text(json.dumps(dataclasses.asdict(STACK)))
    keys = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests", "AWS_DEFAULT_REGION": STACK.region}
    os.environ |= {**keys, "AWS_ENDPOINT_URL": f"http://{host}:{port}", FILE_VARIABLE: str(folder / "stack.json")}
    os.environ["TERRAFLOW_RUN"] = "genome"
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=STACK.bucket)
    for key in known:
        s3.put_object(Bucket=STACK.bucket, Key=key, Body=b"?")
    boto3.client("batch").register_job_definition(
        jobDefinitionName=STACK.report_job_definition,
        type="container",
        containerProperties={"image": "report", "vcpus": 1, "memory": 2048},
    )
    real = StorageObject.size
    StorageObject.size = lambda self: known.get(str(self.query).partition("genome/")[2]) or real(self)  # type: ignore[method-assign]
    os.chdir(folder)
    arguments = ["--profile", str(ROOT / "profiles/aws"), "--workflow-profile", str(ROOT / "profiles/default")]
    arguments += ["--snakefile", str(ROOT / "workflow/Snakefile"), "--configfile", "config.yaml"]
    rehearsal.main([str(folder / "plan.json"), *arguments])
    server.stop()
    found = from_json((folder / "plan.json").read_text())
    if found.errors or not found.jobs or not all(task.vcpus for task in found.tasks):
        sys.exit("\n".join(["The plan failed.", *found.errors, *found.problems]))
    # Queues and definitions of moto are none of the plan's.
    return dataclasses.replace(
        found, problems=(), unknown=(), config={key: found.config[key] for key in (*CONFIG, "alignment")}
    )


def expected(vcpus: float, aligner: str = BWA) -> Expected:
    """Return what the genome is expected to take with so many vCPUs."""
    return estimate(from_json(PLANS[aligner].read_text()), STACK, vcpus)


def price(found: Expected) -> str:
    """Return the price in a few words: for README and docs/costs.md."""
    return f"about ${found.spot:.2f} on Spot (${found.low:.2f} to ${found.high:.2f}), ${found.on_demand:.2f} on demand"


def table() -> str:
    """Return the table of docs/costs.md."""
    few, many = map(expected, LIMITS)
    lines = ["| rule | jobs | vCPU-hours | Spot | on demand |", "| --- | ---: | ---: | ---: | ---: |"]
    large = [row for row in many.rows if row.spot >= 0.005]
    small = [row for row in many.rows if row.spot < 0.005]
    lines += [
        f"| {row.rule} | {row.jobs} | {row.vcpu_hours:.1f} | ${row.spot:.2f} | ${row.on_demand:.2f} |" for row in large
    ]
    rest = [sum(getattr(row, name) for row in small) for name in ("jobs", "vcpu_hours", "spot", "on_demand")]
    lines.append("| {} others | {} | {:.1f} | ${:.2f} | ${:.2f} |".format(len(small), *rest))
    lines.append(f"| head | 1 | {many.hours:.1f} | ${many.head:.2f} | ${many.head:.2f} |")
    lines.append(
        f"| **sum** | {many.jobs + 1} | {many.vcpu_hours + many.hours:.1f} | **${many.spot:.2f}** (${many.low:.2f} to "
        f"${many.high:.2f}) | ${many.on_demand:.2f} |"
    )
    hours = (
        f"It takes about {many.hours:.0f} hours with {LIMITS[1]} vCPUs at a time, and {few.hours:.0f} with the "
        f"{LIMITS[0]} of a new account."
    )
    other = expected(LIMITS[1], BWA_MEM2)
    faster = (
        f"With `alignment.aligner: {BWA_MEM2}`, and its index there: {other.vcpu_hours + other.hours:.1f} vCPU-hours "
        f"and {other.hours:.0f} hours, {price(other)}."
    )
    return "\n".join([*lines, "", hours, "", faster]) + "\n"


def in_readme(text: str) -> str:
    """Return README with the price by each aligner, and the vCPU-hours that the second one saves."""
    found = {aligner: expected(LIMITS[1], aligner) for aligner in PLANS}
    hours = {aligner: one.vcpu_hours + one.hours for aligner, one in found.items()}
    prices = map(price, found.values())
    text = FEWER.sub(f"{100 * (1 - hours[BWA_MEM2] / hours[BWA]):.0f} % fewer vCPU-hours", text, count=1)
    return PRICE.sub(lambda _: next(prices), text, count=len(PLANS))


def in_page(text: str) -> str:
    """Return docs/costs.md with the table."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plan", choices=list(PLANS), help="plan the run with this aligner anew")
    parser.add_argument("--check", action="store_true", help="write nothing, and fail if something would change")
    options = parser.parse_args()
    if options.plan:
        with tempfile.TemporaryDirectory() as folder:
            PLANS[options.plan].write_text(to_json(plan(Path(folder), options.plan)) + "\n")
    for file, change in PAGES.items():
        text = file.read_text()
        if options.check and change(text) != text:
            sys.exit(f"{file.relative_to(ROOT)} does not have the figures of benchmarks/genome.py")
        if not options.check:
            file.write_text(change(text))


PAGES = {ROOT / "README.md": in_readme, ROOT / "docs/costs.md": in_page}

if __name__ == "__main__":
    main()
