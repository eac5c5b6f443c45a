"""Which job of an earlier head does what is wanted: by what its inputs are, and by its group, whatever of it is done.

Names that the landed releases gave (fixed here as they made them) are found, too.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from snakemake_interface_storage_plugins.exceptions import FileOrDirectoryNotFoundError

from fake_batch import REGION, FakeAws, serving
from fake_jobs import FakeGroup, FakeJob
from snakemake_executor_plugin_aws_batch_fargate import names
from snakemake_executor_plugin_aws_batch_fargate.earlier import Earlier, Found
from snakemake_executor_plugin_aws_batch_fargate.markers import Markers
from snakemake_executor_plugin_aws_batch_fargate.plan import Plan

LONG_AGO = 1_000_000_000.0


class Stored(str):
    """A file in a storage; with `etag` the storage tells fingerprints."""

    is_storage = True
    storage_object: SimpleNamespace

    def __new__(cls, query: str, etag: str = "", size: int = 5, mtime: float = LONG_AGO) -> "Stored":
        made = super().__new__(cls, query)
        made.storage_object = SimpleNamespace(query=query, size=lambda: size, mtime=lambda: mtime)
        if etag:
            made.storage_object.fingerprint = lambda: f"ETag {etag}"
        return made


class Dag:
    """Jobs that are linked by the names of their files; those in `done` are not to be run."""

    def __init__(self, *jobs: FakeJob, done: Sequence[FakeJob] = ()) -> None:
        self.jobs, self.done = jobs, done
        self.dependencies: dict[Any, dict[Any, set[str]]] = defaultdict(dict)
        self.depending: dict[Any, dict[Any, set[str]]] = defaultdict(dict)
        for job in jobs:
            for maker in jobs:
                if files := set(map(str, job.input)) & set(map(str, maker.output)):
                    self.dependencies[job][maker] = self.depending[maker][job] = {
                        file for file in job.input if file in files
                    }

    def needrun(self, job: FakeJob) -> bool:
        return job not in self.done

    def needrun_jobs(self) -> list[FakeJob]:
        return [job for job in self.jobs if self.needrun(job)]

    def finished(self, job: FakeJob) -> bool:
        return False

    def get_unneeded_temp_files(self, job: FakeJob) -> list[str]:
        return []


def lane(reads: str = "raw/A.fq") -> tuple[FakeJob, FakeJob, FakeJob, FakeJob]:
    """A group of three jobs, and one that reads what they make."""
    return (
        FakeJob(name="cut", group="lane", input=[reads], output=["A.cut"], shellcmd="cut"),
        FakeJob(name="look", group="lane", input=["A.cut"], output=["A.html"], shellcmd="look"),
        FakeJob(name="map", group="lane", input=["A.cut"], output=["A.bam"], shellcmd="map"),
        FakeJob(name="sort", input=["A.bam"], output=["A.cram"], shellcmd="sort"),
    )


def group(*jobs: FakeJob) -> FakeGroup:
    return FakeGroup(groupid="lane", jobs=list(jobs))


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        (Stored("s3://lab/A", "1"), Stored("s3://lab/A", "1"), True),
        (Stored("s3://lab/A", "1"), Stored("s3://lab/A", "2"), False),
        (Stored("s3://lab/A", size=5), Stored("s3://lab/A", size=5), True),
        (Stored("s3://lab/A", size=5), Stored("s3://lab/A", size=6), False),
        (Stored("s3://lab/A"), Stored("s3://lab/A", mtime=LONG_AGO - 1), False),
    ],
)
def test_a_job_is_told_by_what_its_inputs_are(before: str, after: str, same: bool) -> None:
    found = []
    for reads in (before, after):
        *jobs, sort = lane(reads)
        plan = Plan(Dag(*jobs, sort))
        found.append((plan.identity("main", group(*jobs)), plan.identity("main", sort)))
    (one, behind), (other, behind_other) = found
    assert one.outputs == other.outputs, "it is found all the same"
    assert (one == other) is same
    assert behind == behind_other, "what a job of the DAG makes is another one's business"


def test_a_file_of_the_workflow_counts_by_its_bytes(tmp_path: Path) -> None:
    found = []
    for name, text in (("a", "one"), ("b", "one"), ("c", "two")):
        (tmp_path / name).write_text(text)
        job = FakeJob(input=[str(tmp_path / name)])
        found.append(Plan(Dag(job))._inputs(job)[0].rpartition(" ")[2])
    assert found[0] == found[1] != found[2]


def test_a_plan_is_of_one_moment_and_tells_workers_all_of_it() -> None:
    etags = iter("123")
    reads = Stored("s3://lab/A", "0")
    reads.storage_object.fingerprint = lambda: f"ETag {next(etags)}"
    *jobs, sort = lane(reads)
    later = FakeJob(input=[Stored("s3://lab/B", "b"), Stored("https://c"), "d"], output=["e"])
    plan = Plan(Dag(*jobs, sort))
    assert plan.lacks(jobs[0]) and not plan.lacks(sort)
    assert plan.write(group(*jobs)) == b'{"s3://lab/A": "ETag 1"}'
    assert plan.identity("main", group(*jobs)) == plan.identity("main", group(*jobs))
    assert not plan.lacks(jobs[0])
    assert plan.lacks(later), "a checkpoint has led to it"
    assert plan.write(later) == b'{"s3://lab/A": "ETag 1", "s3://lab/B": "ETag b"}'


def test_which_job_a_group_is_does_not_depend_on_what_is_done() -> None:
    *jobs, sort = lane(Stored("s3://lab/A", "1"))
    other = FakeJob(name="look", group="lane", input=["B.cut"], output=["B.html"], wildcards_dict={"sample": "B"})
    plan = Plan(Dag(*jobs, sort, other))
    whole, *parts = (plan.identity("main", group(*left)) for left in (jobs, jobs[:2], jobs[1:], jobs[2:]))
    assert whole.part == "" and {part.whole for part in parts} == {whole}
    assert len({part.part for part in parts}) == 3, "two that run at a time have two names"
    assert plan.identity("main", group(other)).outputs != whole.outputs
    for identity in (whole, *parts):
        name = names.job_name("main", group(*jobs), identity)
        assert names.identity_in(name) == identity and len(name) <= 128


def test_parts_of_a_large_group_have_names_of_their_own() -> None:
    """Where what they share was made before, thousands of jobs may be what is left of one group."""
    shared, *rest = (FakeJob(name="look", group="all", output=[f"{number}.html"]) for number in range(2000))
    assert len({names.identity("main", one, [shared, one]).part for one in rest}) == len(rest)


@pytest.fixture(scope="module")
def server() -> Any:
    with serving() as aws:
        yield aws


@pytest.fixture
def batch(server: FakeAws) -> Any:
    keys = {"aws_access_key_id": "tests", "aws_secret_access_key": "tests"}
    server.batch.jobs.clear()
    return boto3.client("batch", endpoint_url=server.endpoint, region_name=REGION, **keys)  # type: ignore[call-overload]


def submit(batch: Any, name: str) -> str:
    return str(
        batch.submit_job(jobName=name, jobQueue="spot", jobDefinition="d", tags={"snakemake:rule": "x"})["jobId"]
    )


def markers(dag: Dag, marks: dict[str, list[str]]) -> Markers:
    """With Snakemake's record of unfinished outputs: ids by the names of rules."""

    def run(coroutine: Any) -> bool:
        coroutine.close()
        return True

    record = SimpleNamespace(external_jobids=lambda job: marks.get(job.name, []))
    return Markers(SimpleNamespace(dag=dag, persistence=record, async_run=run), Plan(dag), "main")


Case = tuple[str, float]
# The names of landed releases, as those made them: a single job, the whole of a group, and a part of it.
# Seconds since 1970 that are later than any test.
FAR_AHEAD = 4_000_000_000.0
LANDED = "main-lane-A-1-d4b4a3102333-5dd618"
LANDED_PART = "main-lane-A-1-8d09c000863a-2e43b9"
LANDED_SORT = "main-sort-A-1-24a71699ec82-a75234"


@pytest.mark.parametrize("ended", [False, True], ids=["running", "succeeded"])
@pytest.mark.parametrize(
    ("name", "left", "stored", "taken"),
    [
        (LANDED, "cut look map", LONG_AGO, True),
        (LANDED, "cut map", LONG_AGO, True),
        (LANDED, "cut look map", FAR_AHEAD, False),
        (LANDED[:-1] + "f", "cut look map", LONG_AGO, False),
        (LANDED_PART, "cut map", LONG_AGO, True),
        (LANDED_PART, "cut map", FAR_AHEAD, False),
        (LANDED_SORT, "sort", FAR_AHEAD, True),
    ],
)
def test_jobs_of_a_landed_release(
    batch: Any, server: FakeAws, name: str, left: str, stored: float, taken: bool, ended: bool
) -> None:
    """Taken over if what they read was there before them, else ended: they are never left beside others."""
    jobs = lane(Stored("raw/A.fq", "1", mtime=stored))
    rest = [job for job in jobs if job.name in left.split()]
    dag = Dag(*jobs, done=[job for job in jobs if job not in rest])
    one = rest[0] if left == "sort" else group(*rest)
    earlier_id = submit(batch, name)
    job = server.batch.jobs[earlier_id]
    if ended:
        server.batch.end(job, "SUCCEEDED", 0)
    said: list[str] = []
    earlier = Earlier(batch, ["spot"], "main", said.append)
    (work_of,) = markers(dag, {rule: [earlier_id] for rule in left.split()} if ended else {}).work_of(
        [one], earlier, ()
    )
    found = earlier.take(work_of())
    assert (found is not None and found.job_id == earlier_id) is taken
    assert job["status"] == ("SUCCEEDED" if ended else "SUBMITTED" if taken else "FAILED")
    assert [earlier_id in line and name in line for line in said] == [True] * (not taken and not ended)
    assert earlier.rest() == []


def test_parts_of_a_group_share_the_job_that_does_all_of_it(batch: Any, server: FakeAws) -> None:
    *jobs, sort = cut, look, align, _ = lane(Stored("raw/A.fq", "1"))
    dag = Dag(*jobs, sort, done=[cut])
    plan = Plan(dag)
    whole = submit(batch, names.job_name("main", group(*jobs), plan.identity("main", group(*jobs))))
    earlier = Earlier(batch, ["spot"], "main", print)
    for part in (group(look), group(align)):
        (work_of,) = markers(dag, {}).work_of([part], earlier, ())
        found = earlier.take(work_of())
        assert found is not None and found.job_id == whole
    earlier.forget(whole)
    (work_of,) = markers(dag, {}).work_of([group(look)], earlier, ())
    assert earlier.take(work_of()) is None, "it has ended, and not well: this is another attempt"


@pytest.mark.parametrize(
    ("marks", "left", "taken", "ended"),
    [
        ({}, "look map", True, False),
        ({"look": ["1"], "map": ["1"]}, "map", True, False),
        ({"look": ["1"]}, "map", False, False),
        ({}, "map", False, True),
        ({"look": ["1"], "map": ["1"]}, "cut look map", False, True),
    ],
    ids=["the same part", "less of it", "another part", "nobody knows", "more than it"],
)
def test_a_job_that_does_a_part_of_a_group(
    batch: Any, server: FakeAws, marks: dict[str, list[str]], left: str, taken: bool, ended: bool
) -> None:
    *jobs, sort = lane(Stored("raw/A.fq", "1"))
    rest = [job for job in jobs if job.name in left.split()]
    dag = Dag(*jobs, sort, done=[job for job in jobs if job not in rest])
    part = group(*jobs[1:])
    job_id = submit(batch, names.job_name("main", part, Plan(dag).identity("main", part)))
    earlier = Earlier(batch, ["spot"], "main", print)
    record = markers(dag, {rule: [job_id] for rule in marks})
    (work_of,) = record.work_of([group(*rest)], earlier, ())
    assert (earlier.take(work_of()) is not None) is taken
    assert (server.batch.jobs[job_id]["status"] == "FAILED") is ended


class There(str):
    """An output that lies where it should."""

    async def exists(self) -> bool:
        return True


def test_an_input_that_went_meanwhile_keeps_no_mark_of_others() -> None:
    """A look-up when all is done must not fail the run, and one job is none of another's business."""

    def gone() -> str:
        raise FileOrDirectoryNotFoundError("raw/A.fq", "s3://lab/A")

    lost, kept = (FakeJob(name=name, input=[Stored(f"s3://lab/{name}", "1")], output=[There(name)]) for name in "AB")
    dag = Dag(lost, kept, done=[lost, kept])
    described = {}
    for number, job in enumerate(dag.jobs):
        name = names.job_name("main", job, Plan(dag).identity("main", job))
        described[str(number)] = Found(str(number), name, "SUCCEEDED")
    lost.input[0].storage_object.fingerprint = gone  # type: ignore[attr-defined]
    finished: list[FakeJob] = []

    async def finish(job: FakeJob) -> None:
        finished.append(job)

    record = SimpleNamespace(external_jobids=lambda job: "0" if job is lost else "1", finished=finish)
    earlier: Any = SimpleNamespace(describe=lambda ids: described)
    flow = SimpleNamespace(dag=dag, persistence=record, async_run=asyncio.run)
    Markers(flow, Plan(dag), "main").clear_all(earlier, ())
    assert finished == [kept]
