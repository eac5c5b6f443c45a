"""What `terraflow run` says about aligner and shards of a planned run: what can't work, what would cost less."""

from collections.abc import Mapping
from pathlib import Path

import yaml

from snakemake_aws_common.rehearsal import Rehearsal
from terraflow.costs import model as models
from terraflow.costs.region import prices_for
from terraflow.costs.sizes import aligner_of, fastq_bytes, known_bases, sizes_of
from terraflow.errors import UserError
from terraflow.launch.capacity import Capacity
from terraflow.launch.rehearse import NOTHING
from terraflow.stack import Stack

BUILD = {"bwa_index", "bwa_mem2_index"}


def refuse_aligner(rehearsal: Rehearsal, stack: Stack) -> None:
    """Raise UserError for an aligner that the stack's images don't have."""
    aligns = BUILD | {"bwa_mem"}
    if stack.architecture == "X86_64" or aligner_of(rehearsal) == "bwa":
        return
    if any(job.rule in aligns for job in rehearsal.jobs):
        raise UserError(
            f"alignment.aligner: found {aligner_of(rehearsal)}, which the images for {stack.architecture} don't have; "
            f"expected bwa, whose alignments are the same. {NOTHING}"
        )


def refuse_index(rehearsal: Rehearsal, capacity: Capacity) -> None:
    """Raise UserError if no task that may run has the memory that building bwa-mem2's index takes."""
    # The launcher in the cloud has it from the workflow that it has fetched.
    from terraflow.launch.proposal import memory_of_index, vcpus_for
    from terraflow_workflow.reference.aligners import BWA_MEM2

    if not any(job.rule == "bwa_mem2_index" for job in rehearsal.jobs):
        return
    bases = known_bases(rehearsal.jobs, models.load())
    if bases is None:
        return
    memory = memory_of_index(BWA_MEM2, bases)
    vcpus = vcpus_for(memory)
    if vcpus is not None and (capacity.vcpus is None or vcpus <= capacity.vcpus):
        return
    needs = (
        "and no task of Fargate has that"
        if vcpus is None
        else f"which tasks have with {vcpus} vCPUs, and {capacity.vcpus:g} may work at a time ({capacity.limit})"
    )
    raise UserError(
        f"alignment.aligner: bwa-mem2 takes about {memory / 1024:,.0f} GiB of memory to build its index of "
        f"{bases / 1e6:,.0f} Mb, {needs}. Say alignment.aligner: bwa, whose alignments are the same; or build the "
        f"index elsewhere, and stage it with reference.bwa_index: prebuilt. {NOTHING}"
    )


def other_values(rehearsal: Rehearsal, stack: Stack, vcpus: float | None, prices_file: Path | None) -> list[str]:
    """Return notes about values of `alignment.aligner` and `reads.shards` that are proposed, and how to take them.

    Only a run that has all to do is told: another aligner would align all lanes again.
    """
    # The launcher in the cloud has it from the workflow that it has fetched.
    from terraflow.launch.proposal import Lane, Site, propose

    model = models.load()
    if not any(job.rule in BUILD for job in rehearsal.jobs) or known_bases(rehearsal.jobs, model) is None:
        return []
    sizes = sizes_of(rehearsal, model)
    known = fastq_bytes(rehearsal.jobs)
    prices, _ = prices_for(stack.region, prices_file, stack.architecture)
    lanes = [Lane(sizes.reads.get(unit, 0.0), size) for unit, size in known.items()]
    site = Site(model, prices, stack.architecture, vcpus)
    reads = rehearsal.config.get("reads")
    compression = str(reads.get("compression", "none")) if isinstance(reads, dict) else "none"
    proposal = propose(lanes, sizes.bases, site, compression)
    found = {"alignment.aligner": sizes.aligner, "reads.shards": sizes.shards}
    proposed = {"alignment.aligner": proposal.aligner, "reads.shards": proposal.shards}
    reasons = {
        key: reason
        for key, value in proposed.items()
        if value != found[key] and (reason := proposal.reasons.get(key.partition(".")[2]))
    }
    notes = [f"{key}: {proposed[key]} is proposed in place of {found[key]}: {why}." for key, why in reasons.items()]
    return [*notes, how_to_take({key: proposed[key] for key in reasons})] if notes else []


def how_to_take(values: Mapping[str, object]) -> str:
    """Return the lines for a configuration, and the words for one start, that set `values` by SECTION.KEY."""
    sections: dict[str, dict[str, object]] = {}
    for key, value in values.items():
        section, _, name = key.partition(".")
        sections.setdefault(section, {})[name] = value
    lines = "".join(f"\n    {line}" for line in yaml.safe_dump(sections, sort_keys=False).splitlines())
    words = " ".join(
        f"{section}='{yaml.safe_dump(inner, default_flow_style=True).strip()}'" for section, inner in sections.items()
    )
    return (
        f"to take what is proposed, refuse this start and set in the configuration{lines}\n  or give each start of "
        f"this run these words behind `--`: --config {words}"
    )
