"""Print as JSON the MiB of disk that the AWS profile's groups request: `describe_groups.py SNAKEFILE CONFIG FOLDER`.

Every file in FOLDER counts as one in a storage; a job of the group makes the missing ones.
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.io import AnnotatedString, flag
from snakemake.iocontainers import Wildcards
from snakemake.rules import Rule
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings, StorageSettings
from snakemake_interface_storage_plugins.exceptions import FileOrDirectoryNotFoundError

from snakemake_executor_plugin_aws_batch_fargate.resources import disk_of_group

GROUPS = {"lane": ("decompress", "fastqc", "bwa_mem"), "alignment": ("sort_index", "samtools_stats", "slices")}


class Stored(AnnotatedString):  # type: ignore[misc]
    """A file as the executor and the rules see it when it lies in a storage."""

    is_storage = True

    @property
    def storage_object(self) -> Any:
        return self.flags["storage_object"]


def stored(path: str) -> Stored:
    """Return the file of this name."""

    def size() -> int:
        if not Path(path).exists():
            raise FileOrDirectoryNotFoundError(Path(path), path)
        return Path(path).stat().st_size

    found: Stored = flag(Stored(path), "storage_object", SimpleNamespace(query=path, size=size))
    return found


def job(rule: Rule, wildcards: dict[str, str]) -> SimpleNamespace:
    """Return a job with the attributes that the executor reads."""
    paths = rule.expand_input(wildcards)[0]
    inputs = [stored(str(path)) for path in paths]
    disk = rule.resources["disk_mb"].evaluate(Wildcards(fromdict=wildcards), input=inputs, attempt=1).value
    outputs = [stored(str(path.apply_wildcards(wildcards))) for path in rule.output]
    return SimpleNamespace(input=inputs, output=outputs, resources={"disk_mb": disk})


def main(snakefile: Path, config: Path, directory: Path) -> None:
    """Parse the workflow as if jobs shared no disk, without running anything."""
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=[config]),
            storage_settings=StorageSettings(shared_fs_usage=frozenset()),
            snakefile=snakefile,
            workdir=directory,
        )._workflow
        rules = {rule.name: rule for rule in workflow.rules}
        sample, unit = next(iter(workflow.globals["UNITS"]))
        asked = {}
        for group, names in GROUPS.items():
            wildcards = {"sample": sample} | ({"unit": unit} if group == "lane" else {})
            shards = map(str, workflow.globals["SHARDS"])
            jobs = [
                job(rules[name], wildcards | more)
                for name in names
                for more in ([{"shard": shard} for shard in shards] if name == "bwa_mem" else [{}])
            ]
            asked[group] = disk_of_group(SimpleNamespace(is_group=lambda: True, jobs=jobs))
        print(json.dumps(asked))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
