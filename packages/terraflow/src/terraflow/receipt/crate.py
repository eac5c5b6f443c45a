"""A receipt as a Workflow Run Crate: ro-crate-metadata.json at the root of the run's files.

Profile: https://w3id.org/ro/wfrun/workflow/0.5, on RO-Crate 1.1. The crate describes the workflow (its archive), one
CreateAction that is the run, its inputs (`object`), outputs (`result`) and parameters.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from rocrate.model.computationalworkflow import ComputationalWorkflow
from rocrate.model.contextentity import ContextEntity
from rocrate.model.file import File
from rocrate.rocrate import ROCrate

from terraflow.heads import about as abouts
from terraflow.receipt.facts import ETAG, STORED, Content, Facts

# Of RO-Crate, which the profile extends, and of the profile with those that it builds on.
VERSION = "1.1"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
CONTEXT = "https://w3id.org/ro/terms/workflow-run/context"
CHECKSUM = "https://docs.aws.amazon.com/AmazonS3/latest/API/API_Checksum.html"
TERMS = {name: f"{CHECKSUM}#{name}" for name in STORED} | {
    ETAG: "https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html#ETag"
}
DOCKER = {"@id": "https://w3id.org/ro/terms/workflow-run#DockerImage"}
# Kinds of outputs by their folder below results/, with what they are; others are the last one.
OUTPUTS = {
    "alignments": "Alignments of each sample, and their indices",
    "variants": "Variants, their indices and their consequences",
    "mitochondrion": "Alleles of the mitochondrion with their shares, and what could have been seen",
    "qc": "Quality of reads, alignments and variants",
    "reference": "The reference in the form that the alignments were written with",
    "others": "Other files",
}
INPUTS = {
    "reads": ("samples", "Reads of all lanes, which the sheet names"),
    "reference": ("reference.fasta", "The reference, and its index if that was given"),
    "annotation": ("annotation.gff", "The annotation of genes"),
}
ENCODINGS = {
    ".bam": "application/x-bam",
    ".cram": "application/x-cram",
    ".fa": "text/plain",
    ".fasta": "text/plain",
    ".gff": "text/plain",
    ".gff3": "text/plain",
    ".gz": "application/gzip",
    ".html": "text/html",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".tsv": "text/tab-separated-values",
    ".txt": "text/plain",
    ".xz": "application/x-xz",
    ".zip": "application/zip",
}
LICENSE = "Whoever owns the reads says what may be done with this data: the run does not know it."


def crate_of(facts: Facts) -> dict[str, Any]:
    """Return the content of ro-crate-metadata.json."""
    crate = ROCrate(version=VERSION)
    crate.metadata.extra_contexts.append(CONTEXT)
    crate.metadata.extra_terms.update(TERMS)
    root = crate.root_dataset
    crate.name = f"Run {facts.run} of TerraFlow Genomics"
    crate.description = f"Variants called from short reads, with all files of the run. It lies at {facts.address}."
    license_ = {"@type": "CreativeWork", "name": "License of the data", "description": LICENSE}
    root["license"] = crate.add(ContextEntity(crate, "#license", license_))
    root["datePublished"] = _time(facts.made)
    root["conformsTo"] = [
        crate.add(ContextEntity(crate, profile, {"@type": "CreativeWork", "name": name, "version": version}))
        for profile, (name, version) in PROFILES.items()
    ]
    workflow = _workflow(crate, facts)
    action = ContextEntity(crate, "#run", properties=dict(_action(crate, facts)))
    crate.add(action)
    action["instrument"] = workflow
    action["object"] = [*_inputs(crate, facts, workflow), *_parameters(crate, facts, workflow)]
    action["result"] = list(_outputs(crate, facts, workflow))
    root["mentions"] = action
    if "agent" in action:
        root["author"] = action["agent"]
    content: dict[str, Any] = crate.metadata.generate()
    return content


def to_json(content: Mapping[str, Any]) -> bytes:
    """Return a crate as the bytes of its file."""
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def _workflow(crate: ROCrate, facts: Facts) -> ComputationalWorkflow:
    described = facts.about.get("workflow", {})
    properties: dict[str, Any] = {
        "name": described.get("name", "TerraFlow Genomics"),
        "description": "Workflow, configuration and sheet as they were run.",
    }
    if described.get("version"):
        properties["version"] = described["version"]
    if facts.archive_content:
        properties |= _stored(facts.archive, facts.archive_content)
    path = facts.archive or "workflow/Snakefile"
    workflow = crate.add_workflow(
        dest_path=path, properties=properties, main=True, lang="snakemake", lang_version=facts.tools.get("snakemake")
    )
    for name, version in facts.tools.items():
        tool = {"@type": "SoftwareApplication", "name": name, "softwareVersion": version}
        workflow.append_to("softwareRequirements", crate.add(ContextEntity(crate, f"#tool-{quote(name)}", tool)))
    return workflow


def _action(crate: ROCrate, facts: Facts) -> Iterator[tuple[str, Any]]:
    yield "@type", "CreateAction"
    yield "name", f"Run {facts.run}"
    told = f", started by {facts.started_by}" if facts.started_by else ""
    yield "description", " ".join([f"{facts.address}{told}; {facts.state}.", *facts.missing])
    if facts.started is not None:
        yield "startTime", _time(facts.started)
    if facts.ended is not None:
        yield "endTime", _time(facts.ended)
    if facts.who:
        yield "agent", crate.add(ContextEntity(crate, "#agent", {"@type": "Person", "name": facts.who}))
    failed = facts.state in (abouts.FAILED, abouts.OVER_BUDGET, abouts.STOPPED)
    if failed or facts.state == abouts.DONE:
        yield "actionStatus", f"http://schema.org/{'Failed' if failed else 'Completed'}ActionStatus"
    if failed and facts.message:
        yield "error", facts.message
    if facts.images:
        images = [crate.add(_image(crate, number, one)) for number, one in enumerate(facts.images, 1)]
        yield "containerImage", images if len(images) > 1 else images[0]
    if facts.cost is not None:
        cost = {"@type": "PropertyValue", "name": "cost", "value": f"{facts.cost:.6f}", "unitText": "US dollars"}
        yield "resourceUsage", crate.add(ContextEntity(crate, "#cost", cost))


def _image(crate: ROCrate, number: int, image: Any) -> ContextEntity:  # noqa: ANN401
    properties = {
        "@type": "ContainerImage",
        "additionalType": DOCKER,
        "registry": image.registry,
        "name": image.name,
        "tag": image.tag,
    }
    return ContextEntity(crate, f"#image-{number}", properties | ({"sha256": image.sha256} if image.sha256 else {}))


def _inputs(crate: ROCrate, facts: Facts, workflow: ComputationalWorkflow) -> Iterator[File]:
    parameters = {
        kind: _parameter(crate, workflow, "input", *INPUTS[kind], "File")
        for kind in INPUTS
        if any(one.kind == kind for one in facts.inputs)
    }
    known: dict[str, File] = {}
    for one in facts.inputs:
        if one.address in known:
            continue
        properties: dict[str, Any] = {"name": one.address.rpartition("/")[2], "exampleOfWork": parameters[one.kind]}
        if one.content:
            properties |= _stored(one.address, one.content)
        if one.sample:
            properties["description"] = f"Reads of sample {one.sample}, lane {one.unit}"
        file = known[one.address] = crate.add(File(crate, source=_uri(one.address), properties=properties))
        if one.reads is not None:
            count = {"@type": "PropertyValue", "name": "reads", "value": one.reads}
            file["additionalProperty"] = crate.add(ContextEntity(crate, f"#reads-{len(known)}", count))
    yield from known.values()


def _parameters(crate: ROCrate, facts: Facts, workflow: ComputationalWorkflow) -> Iterator[ContextEntity]:
    named = {name for name, _ in INPUTS.values()}
    for name, value in _flat(facts.about.get("config", {})):
        if name in named:
            continue
        kind = {bool: "Boolean", int: "Integer", float: "Float"}.get(type(value), "Text")
        parameter = _parameter(crate, workflow, "input", name, "", kind)
        text = value if isinstance(value, str | int | float) else json.dumps(value)
        properties = {"@type": "PropertyValue", "name": name, "value": text, "exampleOfWork": parameter}
        yield crate.add(ContextEntity(crate, f"#value-{quote(name)}", properties))


def _flat(config: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _outputs(crate: ROCrate, facts: Facts, workflow: ComputationalWorkflow) -> Iterator[File]:
    def kind_of(path: str) -> str:
        folder = path.split("/")[1]
        return folder if folder in OUTPUTS else "others"

    kinds = [kind for kind in OUTPUTS if any(kind_of(path) == kind for path in facts.outputs)]
    parameters = {kind: _parameter(crate, workflow, "output", kind, OUTPUTS[kind], "File") for kind in kinds}
    for path, content in facts.outputs.items():
        properties = {"name": path.rpartition("/")[2], "exampleOfWork": parameters[kind_of(path)]}
        yield crate.add(File(crate, dest_path=path, properties=properties | _stored(path, content)))


def _parameter(
    crate: ROCrate, workflow: ComputationalWorkflow, direction: str, name: str, description: str, kind: str
) -> ContextEntity:
    parameter: ContextEntity = crate.add_formal_parameter(
        name, kind, identifier=f"#{direction}-{quote(name)}", description=description, valueRequired=kind == "File"
    )
    workflow.append_to(direction, parameter)
    return parameter


def _stored(path: str, content: Content) -> dict[str, Any]:
    """Return size, kind and checksums of an object as properties."""
    encoding = ENCODINGS.get(f".{path.rpartition('.')[2]}")
    return {
        "contentSize": str(content.size),
        ETAG: content.etag,
        **content.checksums,
        **({"encodingFormat": encoding} if encoding else {}),
    }


def _uri(address: str) -> str:
    """Return the address of an input as a URI: keys of S3 may hold any letter, and a path is one of a disk."""
    if address.startswith("s3://"):
        return quote(address, safe="/:")
    if "://" in address:
        return quote(address, safe="/:%~@!$&'()*+,;=")
    return f"file:///{quote(address.lstrip('/'))}"


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
