"""An order from its launcher to its end, look by look."""

from typing import Any

import pytest

from cloud import BUCKET, Cloud, now, refused
from terraflow_airflow import outcome
from terraflow_airflow import stack as stacks
from terraflow_airflow.aws import Account
from terraflow_airflow.following import AGAIN, PATIENCE, UNSEEN, Following, Place
from terraflow_airflow.jobs import start_launcher
from terraflow_airflow.order import Order

COMMAND = ["terraflow", "inbox", "--bucket", BUCKET, "--by"]


class Clock:
    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return now() / 1000 + self.ahead


class Follower:
    """Follows run `cohort`, whose launcher was submitted."""

    def __init__(self, cloud: Cloud, *, head: str = "", by: str = "airflow", since: int | None = None) -> None:
        self.cloud, self.clock = cloud, Clock()
        account, stack = Account(), stacks.read(cloud.s3, BUCKET)
        launcher = "" if head else start_launcher(cloud.batch, stack, Order("cohort", budget=7.5), by)
        place = Place("cohort", 7.5, by, launcher, head, now() if since is None else since)
        self.following = Following(account, stack, place, self.clock)
        self.launcher = launcher
        self.head = ""
        self.ended: outcome.Outcome | None = None

    def look(self) -> list[str]:
        found = self.following.look()
        self.head, self.ended = found.head, found.ended
        return found.lines


@pytest.fixture
def follower(cloud: Cloud) -> Follower:
    cloud.sheet("cohort")
    return Follower(cloud)


def test_a_launcher_is_one_job_that_looks_at_one_sheet(follower: Follower) -> None:
    assert follower.cloud.batch.asked("SubmitJob") == [
        {
            "jobName": "cohort-launcher",
            "jobQueue": "lab-head",
            "jobDefinition": "lab-launcher",
            "containerOverrides": {"command": [*COMMAND, "airflow", "--budget", "7.5", "cohort"]},
            "tags": {
                "project": "terraflow",
                "stack": "lab",
                "terraflow:run": "cohort",
                "terraflow:rule": "launcher",
            },
            "propagateTags": True,
        }
    ]


def test_a_run_is_followed_from_its_launcher_to_its_end(cloud: Cloud, follower: Follower) -> None:
    assert follower.look() == ["(launcher: SUBMITTED)"]
    cloud.batch.jobs[follower.launcher].update(status="RUNNING", container={"logStreamName": "launcher/1"})
    cloud.say("launcher/1", "raw/cohort/samples.tsv: launched: Batch job job-2")
    assert follower.look() == ["(launcher: RUNNING)", "raw/cohort/samples.tsv: launched: Batch job job-2"]
    head = cloud.launch("cohort")
    assert follower.look()[-1] == f"The head of run cohort is Batch job {head}."
    assert (follower.head, follower.ended) == (head, None)

    # Its log has not begun yet.
    assert follower.look() == ["(head: RUNNING)"]
    cloud.say("head/cohort", "Building DAG of jobs...", "[job 1] bwa_mem")
    cloud.live("cohort")
    progress = "Progress: 2 of 7 jobs done, 3 run, $1.23 so far"
    assert follower.look() == ["Building DAG of jobs...", "[job 1] bwa_mem", progress]
    assert follower.look() == []
    cloud.say("head/cohort", "[job 1] done")
    assert follower.look() == ["[job 1] done"]

    cloud.about("cohort", "done", head)
    # The head writes timeline and receipt still.
    assert (follower.look(), follower.ended) == ([], None)
    cloud.say("head/cohort", "The receipt of the run: s3://…")
    cloud.batch.end(head)
    lines = follower.look()
    assert lines == ["(head: SUCCEEDED) Essential container in task exited", "The receipt of the run: s3://…"]
    assert follower.ended == outcome.Outcome("done", "", head)
    assert len(cloud.batch.asked("SubmitJob")) == 1


def test_lines_before_the_order_are_left_out(cloud: Cloud) -> None:
    cloud.sheet("cohort")
    head = cloud.head("cohort")
    cloud.say("head/cohort", "an hour ago")
    follower = Follower(cloud, head=head, since=now() + 1000)
    assert follower.look() == ["(head: RUNNING)"]


@pytest.mark.parametrize(
    ("state", "code", "message", "ended", "again"),
    [
        # run.json, the container's exit code; how it has ended, and whether another try makes sense
        ("done", 0, "", "done", False),
        ("failed", 60, "bwa_mem of sample a: truncated file", "failed", False),
        ("over budget", 61, "$20 are used up", "over budget", False),
        ("stopped", 62, "The head was told to end", "stopped", False),
        ("failed", 63, "Another head has the run", "lost", True),
        ("failed", 64, "The archive is damaged", "lost", True),
        # run.json could not be written.
        ("running", 0, "", "done", False),
        ("running", 60, "", "failed", False),
        ("running", 61, "", "over budget", False),
        ("running", 62, "", "stopped", False),
        # Killed, more often than Batch starts it again.
        ("running", 137, "", "lost", True),
        ("running", None, "", "lost", True),
        # It never started.
        ("submitted", None, "", "lost", True),
    ],
)
def test_how_a_head_ends(cloud: Cloud, state: str, code: int | None, message: str, ended: str, again: bool) -> None:
    cloud.sheet("cohort")
    head = cloud.head("cohort")
    follower = Follower(cloud, head=head)
    follower.look()
    cloud.about("cohort", state, head, message=message, exit_code=code)
    cloud.batch.end(head, code, "Host EC2 terminated")
    follower.look()
    found: Any = follower.ended
    assert (found.state, found.is_worth_another_try, found.head_job) == (ended, again, head)
    assert message in found.message
    if ended == "lost" and state == "running":
        assert "Host EC2 terminated" in found.message


def test_a_head_that_batch_has_forgotten_ended_as_it_has_written(cloud: Cloud) -> None:
    cloud.sheet("cohort")
    head = cloud.head("cohort")
    follower = Follower(cloud, head=head)
    cloud.about("cohort", "failed", head, message="truncated file")
    del cloud.batch.jobs[head]
    assert (follower.look(), follower.ended) == ([], None)
    follower.clock.ahead = UNSEEN + 1
    follower.look()
    assert follower.ended == outcome.Outcome("failed", "truncated file", head)


def test_a_refused_sheet_ends_the_order_in_its_own_words(cloud: Cloud, follower: Follower) -> None:
    said = "Problems in the sample sheet, nothing was run:\n  line 2: sample: found 'B C'"
    cloud.entry("cohort", "refused", message=said)
    cloud.batch.end(follower.launcher)
    follower.look()
    assert follower.ended == outcome.Outcome("refused", said)
    assert not follower.ended.is_worth_another_try
    assert len(cloud.batch.asked("SubmitJob")) == 1


def test_missing_files_are_looked_for_each_hour(cloud: Cloud, follower: Follower) -> None:
    missing = [f"s3://{BUCKET}/raw/cohort/r.fq"]
    cloud.entry("cohort", "waiting", message="1 file can't be found", missing=missing)
    cloud.batch.end(follower.launcher)
    lines = follower.look()
    assert lines[1:] == ["1 file can't be found", f"  {missing[0]}", "It is looked at again each hour, for a day."]
    assert follower.look() == [] and follower.ended is None
    follower.clock.ahead = AGAIN + 1
    assert follower.look() == ["The launcher of run cohort is Batch job job-2."]
    assert [one["containerOverrides"]["command"][-1] for one in cloud.batch.asked("SubmitJob")] == ["cohort"] * 2
    head = cloud.launch("cohort")
    follower.look()
    assert follower.head == head
    # A day later they would be given up.
    cloud.entry("cohort", "incomplete", message="1 file did not come within a day.", missing=missing)
    other = Follower(cloud)
    cloud.batch.end(head)
    cloud.about("cohort", "failed", "")
    cloud.batch.end(other.launcher)
    other.look()
    assert other.ended == outcome.Outcome("refused", f"1 file did not come within a day.\n  {missing[0]}")


def test_the_stack_s_own_launcher_was_faster(cloud: Cloud, follower: Follower) -> None:
    cloud.entry("cohort", "launching")
    cloud.batch.end(follower.launcher)
    assert follower.look()[-1] == "Another launcher works on the sheet."
    assert follower.look() == []
    head = cloud.head("cohort", "submitted")
    cloud.entry("cohort", "launched")
    follower.look()
    assert follower.head == head
    assert len(cloud.batch.asked("SubmitJob")) == 1


def test_a_run_that_is_done_is_not_started_again(cloud: Cloud, follower: Follower) -> None:
    cloud.about("cohort", "done", "job-0", submitted=now() - 10_000_000)
    cloud.entry("cohort", "launched", updated=now() - 10_000_000)
    cloud.batch.end(follower.launcher)
    follower.look()
    assert follower.ended == outcome.Outcome("done", "", "job-0")


def test_snakemake_has_nothing_to_do(cloud: Cloud, follower: Follower) -> None:
    cloud.about("cohort", "failed", "job-0", submitted=now() - 10_000_000)
    cloud.entry("cohort", "launched", message="nothing is to be done")
    cloud.batch.end(follower.launcher)
    follower.look()
    assert follower.ended == outcome.Outcome("done", "nothing is to be done")


def test_the_clock_leaves_alone_what_is_not_due(cloud: Cloud) -> None:
    cloud.sheet("cohort")
    cloud.about("cohort", "stopped", "job-0", submitted=now() - 10_000_000)
    cloud.entry("cohort", "launched", updated=now() - 10_000_000)
    follower = Follower(cloud, by="clock")
    cloud.batch.end(follower.launcher)
    follower.look()
    assert follower.ended == outcome.Outcome("not due", "Run cohort is not due: stopped.")
    assert cloud.batch.asked("SubmitJob")[0]["containerOverrides"]["command"][:6] == [*COMMAND, "clock"]


def test_a_launcher_that_fails_is_worth_another_try(cloud: Cloud, follower: Follower) -> None:
    cloud.batch.end(follower.launcher, 1)
    follower.look()
    assert follower.ended is not None and follower.ended.is_worth_another_try
    assert "The launcher has failed" in follower.ended.message


def test_a_sheet_that_can_t_be_checked_is_not_tried_again(cloud: Cloud, follower: Follower) -> None:
    said = "It could not be checked (AttributeError: 'str' object has no attribute 'get')."
    cloud.entry("cohort", "refused", message=said)
    cloud.batch.end(follower.launcher, 1)
    follower.look()
    assert follower.ended == outcome.Outcome("refused", said)
    # What stands there of an earlier launcher counts for nothing.
    cloud.entry("cohort", "refused", message=said, updated=now() - 10_000_000)
    other = Follower(cloud)
    cloud.batch.end(other.launcher, 1)
    other.look()
    assert other.ended is not None and other.ended.is_worth_another_try


def test_launchers_that_look_at_nothing_come_to_an_end(cloud: Cloud, follower: Follower) -> None:
    for _ in range(3):
        assert follower.ended is None
        cloud.batch.end(next(iter(cloud.batch.active())))
        follower.look()
    assert follower.ended is not None and follower.ended.state == "lost"
    assert len(cloud.batch.asked("SubmitJob")) == 3


def test_a_sheet_that_was_changed_during_its_run_starts_it_once_more(cloud: Cloud) -> None:
    cloud.sheet("cohort")
    head = cloud.head("cohort")
    follower = Follower(cloud, head=head)
    follower.look()
    cloud.about("cohort", "done", head)
    cloud.sheet("cohort", "sample\tunit\tfq1\tfq2\nb\t1\tr.fq\t\n")
    cloud.batch.end(head)
    lines = follower.look()
    assert lines[-2:] == [
        "It has worked on another sheet than the one that lies in the inbox now.",
        "The launcher of run cohort is Batch job job-2.",
    ]
    second = cloud.launch("cohort")
    follower.look()
    assert follower.head == second
    cloud.about("cohort", "done", second)
    cloud.batch.end(second)
    follower.look()
    assert follower.ended == outcome.Outcome("done", "", second)
    assert len(cloud.batch.asked("SubmitJob")) == 1


def test_a_head_that_a_person_starts_instead_is_followed(cloud: Cloud) -> None:
    cloud.sheet("cohort")
    head = cloud.head("cohort")
    follower = Follower(cloud, head=head)
    follower.look()
    cloud.batch.end(head, 62)
    other = cloud.head("cohort")
    follower.look()
    assert (follower.head, follower.ended) == (other, None)


def test_a_head_that_is_being_ended_is_waited_for(cloud: Cloud, follower: Follower) -> None:
    head = cloud.head("cohort", submitted=now() - 10_000_000)
    cloud.batch.jobs[head]["isTerminated"] = True
    cloud.batch.end(follower.launcher)
    assert follower.look()[-1] == f"Head {head} is being ended; its end is waited for."
    assert (follower.head, follower.look()) == ("", [])
    cloud.batch.end(head, 62)
    cloud.about("cohort", "stopped", head, submitted=now() - 10_000_000)
    assert follower.look() == [
        "No launcher has looked at the sheet as it is now.",
        "The launcher of run cohort is Batch job job-3.",
    ]


# Trouble


def test_a_throttled_look_is_repeated_and_an_outage_ends_after_a_while(cloud: Cloud, follower: Follower) -> None:
    follower.look()
    cloud.batch.trouble = [refused("ThrottlingException")]
    assert follower.look() == [f"AWS does not answer, the run goes on: {refused('ThrottlingException')}"]
    assert follower.ended is None
    assert follower.look() == []
    cloud.batch.trouble = [refused("AccessDeniedException")] * 2
    follower.look()
    follower.clock.ahead = PATIENCE + 1
    follower.look()
    assert follower.ended is not None and follower.ended.is_worth_another_try
    assert "AccessDeniedException said AWS" in follower.ended.message


def test_a_log_out_of_reach_does_not_hide_how_the_run_ended(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def get_log_events(self, **_: Any) -> None:
            raise refused("AccessDeniedException", "GetLogEvents")

    monkeypatch.setattr(Account, "logs", property(lambda _: Refusing()))
    cloud.sheet("cohort")
    head = cloud.head("cohort")
    follower = Follower(cloud, head=head)
    lines = follower.look()
    assert len(lines) == 2 and f"The log of job {head} can't be read" in lines[1]
    # Once is enough.
    assert follower.look() == []
    cloud.put("runs/cohort/head/logs/20260101T000000Z-job-1-1.log", "old\n")
    cloud.put("runs/cohort/head/logs/20260102T000000Z-job-2-1.log", "Error in rule bwa_mem\nExiting\n")
    cloud.about("cohort", "failed", head, message="bwa_mem of sample a: truncated file")
    cloud.batch.end(head, 60)
    assert follower.look()[1:] == [
        f"The last lines of s3://{BUCKET}/runs/cohort/head/logs/20260102T000000Z-job-2-1.log:",
        "Error in rule bwa_mem",
        "Exiting",
    ]
    assert follower.ended == outcome.Outcome("failed", "bwa_mem of sample a: truncated file", head)


def test_an_earlier_head_s_progress_is_not_shown(cloud: Cloud) -> None:
    cloud.sheet("cohort")
    cloud.live("cohort", updated=now() - 1_000_000)
    follower = Follower(cloud, head=cloud.head("cohort"))
    assert follower.look() == ["(head: RUNNING)"]
