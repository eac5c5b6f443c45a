"""botocore's model of AWS Batch: which parts a request has, and which of them its documentation excludes on Fargate."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ServiceModel, Shape, StructureShape
from botocore.validate import ParamValidator

Request = Mapping[str, Any]


@cache
def model() -> ServiceModel:
    """Return botocore's model of AWS Batch."""
    return botocore.session.get_session().get_service_model("batch")


def _text(shape: Shape) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", shape.documentation))


@cache
def pairs() -> frozenset[tuple[str, str]]:
    """Return the (vCPU, MiB) that Fargate offers, from the documentation of `ResourceRequirement.value`."""
    requirement = model().shape_for("ResourceRequirement")
    assert isinstance(requirement, StructureShape)
    table = _text(requirement.members["value"]).partition('type="VCPU"')[2]
    found = re.findall(r"value = ([\d.]+) MEMORY = ([\d, or]+)", table)
    return frozenset((vcpu, mib) for vcpu, figures in found for mib in re.findall(r"\d+", figures))


@cache
def not_for_fargate(shape: str) -> frozenset[str]:
    """Return the members of a structure that its documentation excludes on Fargate."""
    structure = model().shape_for(shape)
    assert isinstance(structure, StructureShape)
    excludes = re.compile(r"(?:n['’]t|not) (?:applicable|supported)[^.]*Fargate")
    return frozenset(name for name, member in structure.members.items() if excludes.search(_text(member)))


def shape_problems(shape: str, request: Request) -> tuple[list[str], bool]:
    """Return problems of names, types and required parts, and whether they rule out any further check."""
    report = ParamValidator().validate(dict(request), model().shape_for(shape)).generate_report()
    problems = report.splitlines()
    return problems, not all(problem.startswith("Unknown parameter") for problem in problems)
