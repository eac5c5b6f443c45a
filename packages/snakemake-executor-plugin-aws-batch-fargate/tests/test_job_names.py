"""Names, identities and tags of Batch jobs."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st
from snakemake.sourcecache import LocalSourceFile

from fake_jobs import FakeGroup, FakeJob
from snakemake_executor_plugin_aws_batch_fargate import names

# Names and tags
text = st.text(min_size=1, max_size=200)


@given(rule=st.from_regex(r"[A-Za-z_]\w{0,80}", fullmatch=True), wildcards=st.dictionaries(text, text, max_size=4))
def test_names_are_legal_and_carry_the_identity(rule: str, wildcards: dict[str, str]) -> None:
    job = FakeJob(name=rule, wildcards_dict=wildcards, output=[json.dumps(wildcards)])
    identity = names.identity("main", job)
    name = names.job_name("main", job, identity)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}", name)
    assert names.identity_in(name) == identity


def test_names_are_readable() -> None:
    job = FakeJob()
    assert names.job_name("main", job, names.identity("main", job)).startswith("main-bwa_mem-A-1-")


def test_the_same_job_has_the_same_identity_and_others_do_not() -> None:
    identity = names.identity("main", FakeJob())
    assert names.identity("main", FakeJob(attempt=2, resources={"mem_mb": 9}, threads=8)) == identity
    changed = [{"shellcmd": "other"}, {"input": ["B.fastq"]}, {"non_derived_params": [{"a": 1}]}]
    for change in changed:
        other = names.identity("main", FakeJob(**change))  # type: ignore[arg-type]
        assert other.outputs == identity.outputs and other.content != identity.content
    assert names.identity("main", FakeJob(output=["B"])).outputs != identity.outputs
    assert names.identity("other", FakeJob()).outputs != identity.outputs


def test_a_script_that_has_changed_makes_another_job(tmp_path: Path) -> None:
    def identity(folder: str, text: str) -> names.Identity:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "plot.py").write_text(text)
        place = LocalSourceFile(str(tmp_path / folder))
        parts = {"name": "plot", "shellcmd": None, "run_func_src": None, "notebook": None, "wrapper": None}
        rule = SimpleNamespace(**parts, script="plot.py", basedir=place)
        return names.identity("main", dataclasses.replace(FakeJob(), script=rule))

    first = identity("a", "one")
    assert identity("b", "one") == first
    assert identity("c", "two").content != first.content
    assert identity("d", "two").outputs == first.outputs


def test_the_folder_of_the_source_cache_does_not_count() -> None:
    """It has another name whenever a run is started."""

    def identity(cache: str, word: str = "say") -> names.Identity:
        file = f"{cache}/run/hosted-git/lab/flow/main/{word}.sh"
        job = FakeJob(input=["A.fastq", file], non_derived_params=[{"tool": file}], shellcmd=f"sh {file}")
        return names.identity("main", job, inputs=lambda job: [f"{file} 0123"], caches=[f"{cache}/run", cache])

    assert identity("/tmp/snakemake1") == identity("/tmp/snakemake2")
    assert identity("/tmp/snakemake1", "shout") != identity("/tmp/snakemake1")
    for place in ("/tmp/ü", "/tmp/o'brien", '/tmp/a"b'):
        assert identity(place) == identity("/tmp/snakemake1")


def test_the_identity_is_the_same_in_another_process() -> None:
    code = (
        "from fake_jobs import FakeJob; from snakemake_executor_plugin_aws_batch_fargate import names;"
        "print(names.identity('main', FakeJob(non_derived_params=[{'b', 'a', 'c'}, {'x': {3, 2, 1}}, print])).suffix)"
    )
    run = [sys.executable, "-c", code]
    folder = Path(__file__).parent
    found = {
        subprocess.run(run, cwd=folder, env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_a_group_is_named_for_what_its_jobs_share() -> None:
    jobs = [FakeJob(wildcards_dict={"sample": "A", "unit": str(n)}, output=[f"{n}"]) for n in range(3)]
    group = FakeGroup(jobs=jobs, groupid="mapping")
    assert names.job_name("main", group, names.identity("main", group)).startswith("main-mapping-A-")
    assert names.identity("main", group) == names.identity("main", FakeGroup(jobs=jobs[::-1], groupid="mapping"))


def test_tags_are_legal() -> None:
    job = FakeJob(wildcards_dict={"sample": "père\tnoël" + "x" * 300})
    given = names.Tags("lab:", ["sample"], {"owner": "me"})
    tags = names.job_tags("main", job, given)
    assert tags.pop("lab:sample").startswith("père_noël" + "x" * 240)
    assert tags == {"lab:run": "main", "lab:rule": "bwa_mem", "owner": "me"}
    assert "lab:sample" not in names.job_tags("main", FakeJob(wildcards_dict={"window": "1"}), given)
