"""Draw docs/pictures/workflow.svg and aws.svg, and write the table of the workflow's steps in docs/pipeline.md.

The steps and their places are written down here. The program compares them with the rules and the edges that Snakemake
sees, so the picture can't show another workflow than there is.

Example: tools/run.sh python tools/picture.py          writes both
         tools/run.sh python tools/picture.py --check  fails when they show another workflow
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from drawing import HEIGHT, Arrow, Box, Panel, draw

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs/pictures/workflow.svg"
AWS_PICTURE = ROOT / "docs/pictures/aws.svg"
PAGE = ROOT / "docs/pipeline.md"
TABLE = re.compile(r"(?<=<!-- steps -->\n).*?(?=<!-- /steps -->)", re.DOTALL)


class Step(NamedTuple):
    """A box of the picture and a line of the table: what a few rules do together."""

    title: str
    jobs: str
    rules: tuple[str, ...]
    does: str


# In the order that the data take.
STEPS = {
    "reference": Step(
        "index reference",
        "once a run",
        ("reference", "bwa_index", "bwa_mem2_index", "windows", "annotation"),
        "checks the reference and the annotation, builds the aligner's index, cuts the reference into windows",
    ),
    "fastqc": Step("FastQC", "a job for each lane", ("fastqc", "fastqc_single"), "describes the quality of the reads"),
    "reads": Step(
        "check reads",
        "a job for each lane",
        ("decompress",),
        "decompresses the FASTQ files, checks every record, pairs the mates, deals the reads into shards",
    ),
    "align": Step("BWA-MEM", "a job for each shard", ("bwa_mem",), "aligns the reads, fixes mates, sorts by position"),
    "merge": Step(
        "merge lanes",
        "a job for each sample",
        ("sort_index", "slices"),
        "merges all lanes of a sample, marks duplicates, writes and indexes CRAM; on AWS also slices by window",
    ),
    "call": Step(
        "bcftools call",
        "a job for each window",
        ("ploidy", "bcftools_call", "mitochondrial_contig", "nuclear_windows", "mitochondrial_reads", "mitochondrion"),
        "calls the variants of all samples; those of the mitochondrion, if asked for, in a job for each sample",
    ),
    "variants": Step(
        "filter, annotate",
        "once a run",
        ("filters", "csq", "variants", "consequences"),
        "joins the windows, left-aligns and splits variants, sets FILTER, adds coding consequences",
    ),
    "quality": Step(
        "MultiQC, report",
        "once a run",
        (
            "samtools_stats",
            "calling_reads",
            "coverage_plot",
            "bcftools_stats",
            "variant_table",
            "versions",
            "multiqc",
        ),
        "counts reads, depth and variants, and gathers all of it on two pages",
    ),
}
ARROWS = {
    ("reference", "align"),
    ("reads", "align"),
    ("align", "merge"),
    ("merge", "call"),
    ("call", "variants"),
    ("variants", "quality"),
    ("fastqc", "quality"),
}


# Columns and rows of the picture, in its own units; a phone shows it at a bit more than half of its size.
LEFT, MIDDLE, RIGHT = 8, 232, 456
WIDTH = 664
ROW = 88


def step(name: str, column: int, row: int) -> Box:
    """Return the box of a step."""
    return Box(column, 10 + row * ROW, STEPS[name].title, STEPS[name].jobs)


def picture() -> str:
    """Return the SVG of the workflow."""
    boxes = {
        "fastq": Box(LEFT, 10, "lanes", "FASTQ files", "input", width=424),
        "genome": Box(RIGHT, 10, "reference", "FASTA, GFF3", "input"),
        "fastqc": step("fastqc", LEFT, 1),
        "reads": step("reads", MIDDLE, 1),
        "reference": step("reference", RIGHT, 1),
        "align": step("align", MIDDLE, 2),
        "merge": step("merge", MIDDLE, 3),
        "call": step("call", MIDDLE, 4),
        "variants": step("variants", MIDDLE, 5),
        "quality": step("quality", MIDDLE, 6),
        "cram": Box(RIGHT, 10 + 3 * ROW, "alignments", "CRAM", "output"),
        "vcf": Box(RIGHT, 10 + 5 * ROW, "variants", "VCF, coding changes", "output"),
        "pages": Box(RIGHT, 10 + 6 * ROW, "quality", "two HTML pages", "output"),
    }
    arrows = [Arrow(boxes[start], boxes[end]) for start, end in sorted(ARROWS)]
    arrows += [
        Arrow(boxes["fastq"], boxes["fastqc"]),
        Arrow(boxes["fastq"], boxes["reads"]),
        Arrow(boxes["genome"], boxes["reference"]),
        Arrow(boxes["merge"], boxes["cram"]),
        Arrow(boxes["variants"], boxes["vcf"]),
        Arrow(boxes["quality"], boxes["pages"]),
    ]
    order = "; ".join(f"{entry.title} ({entry.jobs}) {entry.does}" for entry in STEPS.values())
    return draw("From reads to variants", order + ".", boxes.values(), arrows, width=WIDTH, height=10 + 7 * ROW)


def aws_picture() -> str:
    """Return the SVG of a run on AWS."""
    pitch, top = 104, 148
    you = Box(LEFT + 12, 10, "you", "upload or start", "input")
    mail = Box(RIGHT - 12, 10, "mail", "result, price, why", "input")
    launcher = Box(MIDDLE, top, "launcher", "checks, estimates")
    head = Box(MIDDLE, top + pitch, "head", "Snakemake, a job")
    news = Box(RIGHT - 12, head.y, "news", "a small function")
    batch = Box(MIDDLE, top + 2 * pitch, "AWS Batch", "queues")
    tasks = Box(MIDDLE, top + 3 * pitch + 24, "Fargate tasks", "one for each job")
    bucket = Box(LEFT + 12, tasks.y, "S3 bucket", "all data", "output")
    record = Box(LEFT + 12, head.y, "record", "of each attempt, in S3", "output")
    endpoints = Box(RIGHT - 12, tasks.y, "endpoints", "of AWS's services")
    images = Box(RIGHT - 12, batch.y, "ECR", "two images", "output")
    logs = Box(RIGHT - 12, tasks.y + pitch + 26, "CloudWatch", "logs", "output")
    pairs = [(you, launcher), (launcher, head), (head, batch), (head, record), (head, news), (news, mail)]
    pairs += [(batch, tasks), (tasks, bucket), (tasks, endpoints), (endpoints, images), (endpoints, logs)]
    arrows = [Arrow(start, end) for start, end in pairs]
    account = Panel(2, top - 28, WIDTH - 4, logs.bottom + 16 - top + 28, "your AWS account, one region")
    network = Panel(MIDDLE - 12, tasks.y - 12, WIDTH - MIDDLE + 4, HEIGHT + 46, "private network (VPC)")
    text = (
        "A sheet that you upload, the clock, or terraflow run has the launcher check the run and start its head. The "
        "head is Snakemake as a job; it may run on your machine instead. It submits jobs to the queues of AWS Batch "
        "and writes a record of each attempt to the S3 bucket. When it ends, a small function mails the result. Batch "
        "starts a Fargate task for each job, in a private network without a NAT gateway. Tasks read and write the "
        "bucket through a free gateway endpoint. They reach the image repository, the logs and, for heads, AWS Batch "
        "through interface endpoints."
    )
    boxes = [you, mail, launcher, news, head, record, batch, tasks, bucket, endpoints, images, logs]
    return draw("A run on AWS", text, boxes, arrows, WIDTH, logs.bottom + 20, account, network)


def table() -> str:
    """Return the steps as a Markdown table."""
    lines = ["| step | jobs | what it does | rules |", "| --- | --- | --- | --- |"]
    for entry in STEPS.values():
        rules = ", ".join(f"`{rule}`" for rule in entry.rules)
        lines.append(f"| {entry.title} | {entry.jobs} | {entry.does} | {rules} |")
    return "\n".join(lines) + "\n"


def rules_written() -> set[str]:
    """Return the rules of the workflow's files, without its target."""
    files = [ROOT / "workflow/Snakefile", *(ROOT / "workflow/rules").glob("*.smk")]
    pattern = re.compile(r"^ *(?:rule (\w+):|use rule \w+ as (\w+))", re.MULTILINE)
    found = {a or b for file in files for a, b in pattern.findall(file.read_text())}
    return found - {"all"}


def rule_graph() -> set[tuple[str, str]]:
    """Return pairs (rule, rule that takes its output) of the example, as `snakemake --rulegraph` gives them."""
    command = [sys.executable, "-m", "snakemake", "--rulegraph", "mermaid-js"]
    command += ["--configfile", str(ROOT / "config/example/config.yaml")]
    text = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    names = dict(re.findall(r"^\s*(id\d+)\[(\w+)\]$", text, re.MULTILINE))
    edges = {(names[a], names[b]) for a, b in re.findall(r"^\s*(id\d+) --> (id\d+)$", text, re.MULTILINE)}
    return {edge for edge in edges if edge[1] != "all"}


def without_shortcuts(edges: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the edges that no path of other edges stands for."""

    def reaches(start: str, end: str, but: tuple[str, str]) -> bool:
        return any(b == end or reaches(b, end, but) for a, b in edges if a == start and (a, b) != but)

    return {edge for edge in edges if not reaches(*edge, edge)}


def differences(rules: set[str], edges: set[tuple[str, str]]) -> list[str]:
    """Return how the steps and arrows differ from a workflow's rules and edges, a line for each difference."""
    owner = {rule: name for name, entry in STEPS.items() for rule in entry.rules}
    found = [f"no step has the rule {rule}" for rule in sorted(rules - owner.keys())]
    found += [f"step {owner[rule]} has a rule {rule}, which the workflow has not" for rule in owner.keys() - rules]
    steps = {(owner.get(a, a), owner.get(b, b)) for a, b in edges}
    wanted = without_shortcuts({(a, b) for a, b in steps if a != b})
    found += [f"no arrow leads from {a} to {b}" for a, b in sorted(wanted - ARROWS)]
    return found + [f"no rule needs the arrow from {a} to {b}" for a, b in sorted(ARROWS - wanted)]


def main() -> None:
    """Write or check the picture and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing, fail when a file is behind")
    options = parser.parse_args()
    if wrong := differences(rules_written(), rule_graph()):
        sys.exit("tools/picture.py shows another workflow:\n  " + "\n  ".join(wrong))
    page = PAGE.read_text()
    if len(TABLE.findall(page)) != 1:
        sys.exit(f"{PAGE} has no (or more than one) place for the table: <!-- steps --> and <!-- /steps -->")
    current = {PICTURE: picture(), AWS_PICTURE: aws_picture(), PAGE: TABLE.sub(lambda _: table(), page)}
    for file, content in current.items():
        if file.exists() and file.read_text() == content:
            continue
        if options.check:
            sys.exit(f"{file.relative_to(ROOT)} is behind the workflow: run tools/run.sh python tools/picture.py")
        file.write_text(content)


if __name__ == "__main__":
    main()
