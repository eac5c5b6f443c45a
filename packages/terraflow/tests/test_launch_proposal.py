"""Aligner and shards that are proposed, and what is written where the author of a configuration gives none."""

import shlex
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake.cli import parse_config

import run_objects
from snakemake_aws_common.prices import load
from snakemake_aws_common.rehearsal import PlannedJob, Rehearsal
from terraflow.costs import model
from terraflow.errors import UserError
from terraflow.heads.named import config_of
from terraflow.launch.capacity import Capacity
from terraflow.launch.chosen import choose, of_inputs
from terraflow.launch.other_values import how_to_take, other_values, refuse_aligner, refuse_index
from terraflow.launch.proposal import Lane, Proposal, Site, cost, propose
from terraflow_workflow.inputs.samples import Unit
from terraflow_workflow.inputs.settings import tidy
from terraflow_workflow.reference.aligners import BWA, BWA_MEM2

X86 = Site(model.load(), load("us-east-1"), "X86_64")
ARM = Site(model.load(), load("us-east-1"), "ARM64")
NEW_ACCOUNT = Site(model.load(), load("us-east-1"), "X86_64", 6)
HUMAN = 3.1e9


def lanes(number: int, millions: float) -> list[Lane]:
    """Lanes of so many million reads each, in gzip files."""
    return [Lane(millions * 1e6, millions * 80e6)] * number


@pytest.mark.parametrize(
    ("given", "bases", "site", "aligner", "shards"),
    [
        # A genome or two; with half of one, building the index takes back what aligning saves.
        (lanes(8, 155), HUMAN, X86, "bwa-mem2", 1),
        (lanes(4, 155), HUMAN, X86, "bwa-mem2", 1),
        (lanes(2, 155), HUMAN, X86, "bwa", 1),
        (lanes(1, 4), 250e6, X86, "bwa-mem2", 1),
        # The index costs more than the reads.
        (lanes(1, 1), HUMAN, X86, "bwa", 1),
        (lanes(2, 5), 4.6e6, X86, "bwa-mem2", 1),
        # The minute that is billed at least outweighs what aligning saves.
        (lanes(1, 0.5), 4.6e6, X86, "bwa", 1),
        (lanes(8, 155), HUMAN, ARM, "bwa", 1),
        # 88 GB of memory come with 16 vCPUs.
        (lanes(8, 155), HUMAN, NEW_ACCOUNT, "bwa", 1),
        (lanes(1, 4), 250e6, NEW_ACCOUNT, "bwa-mem2", 1),
        # 420 GB of memory.
        (lanes(1, 100), 15e9, X86, "bwa", 1),
        # 50 GB of reads don't fit a task.
        (lanes(1, 620), HUMAN, X86, "bwa-mem2", 4),
        ([], HUMAN, X86, "bwa", 1),
    ],
)
def test_what_is_proposed(given: list[Lane], bases: float, site: Site, aligner: str, shards: int) -> None:
    found = propose(given, bases, site)

    assert (found.aligner, found.shards) == (aligner, shards)
    assert found.reasons["aligner"]
    assert ("profiles/aws" in found.reasons["shards"]) == (shards > 1)


def test_the_index_of_bwa_mem2_costs_more_and_a_read_less() -> None:
    alone = [cost(aligner, [], HUMAN, X86) or 0 for aligner in (BWA, BWA_MEM2)]
    whole = [cost(aligner, lanes(4, 155), HUMAN, X86) or 0 for aligner in (BWA, BWA_MEM2)]

    assert alone[0] < alone[1]
    assert whole[0] - alone[0] > whole[1] - alone[1]
    assert cost(BWA_MEM2, [], 15e9, X86) is None


STACK = replace(run_objects.STACK, region="us-east-1", architecture="X86_64")
DEFAULTS: dict[str, Any] = {
    "reference": {"fasta": "g.fa", "bwa_index": "build"},
    "alignment": {"aligner": "bwa", "format": "cram"},
    "reads": {"shards": 1, "compression": "none"},
}
BOTH = Proposal("bwa-mem2", 3, {"aligner": "it costs less", "shards": "it is large"})


@pytest.mark.parametrize(
    ("own", "earlier", "aligner", "shards", "notes"),
    [
        ({}, None, "bwa-mem2", 3, 2),
        ({"alignment": {"aligner": "bwa"}}, None, "bwa", 3, 1),
        ({"alignment": {"format": "bam"}, "reads": {"shards": 8}}, None, "bwa-mem2", 8, 1),
        # A configuration of before meant the defaults, and its runs go on with them.
        ({}, {"samples": "s.tsv"}, "bwa", 1, 0),
        ({}, {"alignment": {"aligner": "bwa-mem2"}, "reads": {"shards": 2}}, "bwa-mem2", 2, 0),
        ({"reads": {"shards": 5}}, {"reads": {"shards": 2}}, "bwa", 5, 0),
        ({"reference": {"bwa_index": "prebuilt"}}, None, "bwa", 1, 0),
    ],
)
def test_what_is_written(
    own: dict[str, Any], earlier: dict[str, Any] | None, aligner: str, shards: int, notes: int
) -> None:
    config = deepcopy(DEFAULTS)
    for section, values in own.items():
        config[section].update(values)

    said = choose(own, config, earlier, lambda: BOTH)

    for written in (own, config):
        assert (written["alignment"]["aligner"], written["reads"]["shards"]) == (aligner, shards)
    assert len(said) == notes
    assert all(" is proposed, and written: it " in note for note in said)


def test_nothing_is_proposed_for_what_the_author_says() -> None:
    def asked() -> Proposal:
        raise AssertionError

    own: dict[str, Any] = {"alignment": {"aligner": "bwa"}, "reads": {"shards": 1}}
    assert choose(own, deepcopy(DEFAULTS), None, asked) == []


def test_sizes_are_those_of_files_here_and_in_s3(tmp_path: Path) -> None:
    genome, reads = tmp_path / "g.fa", tmp_path / "a_1.fq.gz"
    genome.touch()
    reads.touch()
    with genome.open("r+b") as file:
        file.truncate(int(3.1e9))
    with reads.open("r+b") as file:
        file.truncate(10**10)
    sizes = {("bucket", "a_2.fq.gz"): 10**10}
    config = deepcopy(DEFAULTS) | {"reference": {"fasta": str(genome)}}
    unit = Unit("a", "1", str(reads), "s3://bucket/a_2.fq.gz", library="a", platform="ILLUMINA", sex="", line=2)

    found = of_inputs([unit] * 3, config, X86, lambda bucket, key: sizes.get((bucket, key)))

    assert found is not None and found.aligner == "bwa-mem2"
    assert of_inputs([unit], config, X86, lambda bucket, key: None) is None
    assert of_inputs([unit], config | {"reference": {"fasta": "https://a.example/g.fa"}}, X86, lambda *_: 1) is None


def rehearsal(aligner: str, *rules: str) -> Rehearsal:
    """A run that reads eight lanes of 12 GB."""
    jobs = [
        PlannedJob("reference", {}, 1, 500, 500, 10, {"s3://b/g.fa": int(3.13e9)}),
        *(
            PlannedJob("decompress", {"sample": "a", "unit": unit}, 1, 500, 500, 10, {f"{unit}.fastq.gz": 12 * 10**9})
            for unit in "12345678"
        ),
        *(PlannedJob(rule, {"sample": "a", "unit": "1"} if rule == "bwa_mem" else {}, 3, 0, 0, 0) for rule in rules),
    ]
    return Rehearsal(tuple(jobs), config={"alignment": {"aligner": aligner}, "reads": {"shards": 1}})


def test_a_run_is_told_of_an_aligner_that_costs_less() -> None:
    note, how = other_values(rehearsal("bwa", "bwa_index", "bwa_mem"), STACK, None, None)
    assert note.startswith("alignment.aligner: bwa-mem2 is proposed in place of bwa: with these reads")
    assert how == how_to_take({"alignment.aligner": "bwa-mem2"})
    assert other_values(rehearsal("bwa-mem2", "bwa_mem2_index", "bwa_mem"), STACK, None, None) == []
    # A run that goes on would align all anew.
    assert other_values(rehearsal("bwa", "bwa_mem"), STACK, None, None) == []


@pytest.mark.parametrize(
    "values",
    [
        {"alignment.aligner": "bwa-mem2"},
        {"reads.shards": 4},
        {"alignment.aligner": "bwa-mem2", "reads.shards": 4},
    ],
    ids=str,
)
def test_the_words_for_a_proposal_set_its_values(values: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("alignment: {format: bam}\n")
    said = how_to_take(values)
    written, _, typed = said.partition("\n  or ")

    pasted = yaml.safe_load(written.partition("\n")[2])
    arguments = shlex.split(typed.partition("`--`: ")[2])
    started = config_of(tmp_path, [tmp_path / "other.yaml"], arguments)

    expected: dict[str, Any] = {}
    for key, value in values.items():
        section, _, name = key.partition(".")
        expected.setdefault(section, {})[name] = value
    assert pasted == expected
    assert started == {"alignment": {"format": "bam"} | expected.pop("alignment", {})} | expected
    # Snakemake's own reader of these words; `tidy` makes numbers of its text.
    given = parse_config(arguments[1:])
    tidy(given)
    assert given == pasted


@pytest.mark.parametrize(
    ("bases", "capacity", "says"),
    [
        (HUMAN, Capacity(16, "spot_max_vcpus"), ""),
        (HUMAN, Capacity(None), ""),
        (0.25e9, Capacity(2, "the account's quota"), ""),
        (
            HUMAN,
            Capacity(6, "the account's quota"),
            "about 81 GiB of memory .* with 16 vCPUs, and 6 may work at a time",
        ),
        (15e9, Capacity(256, "spot_max_vcpus"), "about 392 GiB of memory .* no task of Fargate has that. Say .*: bwa,"),
    ],
)
def test_an_index_that_no_task_can_build_is_refused(bases: float, capacity: Capacity, says: str) -> None:
    given = PlannedJob("reference", {}, 1, 500, 500, 10, {"s3://b/g.fa": int(bases * 1.01)})
    planned = Rehearsal((given, PlannedJob("bwa_mem2_index", {}, 1, 0, 0, 0)))
    if says:
        with pytest.raises(UserError, match=says):
            refuse_index(planned, capacity)
    else:
        refuse_index(planned, capacity)
    refuse_index(Rehearsal((given,)), capacity)
    # The size of a reference on the web isn't known.
    refuse_index(Rehearsal((replace(given, given={}), planned.jobs[1])), capacity)


def test_an_aligner_that_the_images_lack_is_refused() -> None:
    arm = replace(STACK, architecture="ARM64")
    with pytest.raises(UserError, match=r"found bwa-mem2, which the images for ARM64 don't have; expected bwa,"):
        refuse_aligner(rehearsal("bwa-mem2", "bwa_mem2_index", "bwa_mem"), arm)
    refuse_aligner(rehearsal("bwa-mem2"), arm)
    refuse_aligner(rehearsal("bwa", "bwa_mem"), arm)
    refuse_aligner(rehearsal("bwa-mem2", "bwa_mem"), STACK)
