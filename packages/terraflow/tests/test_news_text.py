"""The e-mails, word for word, and how it is found out how a run ended."""

import pytest

from snakemake_aws_common.record.live import Failure, Live, LiveJob, RuleCount
from terraflow.heads.about import About
from terraflow.news import text
from terraflow.news.text import HeadJob, Place
from terraflow.runs import ending

MINUTE = 60_000
# 2026-03-01 12:00 UTC.
NOON = 1_772_366_400_000
PLACE = Place("lab-data", "/terraflow/lab")
ESTIMATE = {"spot": 11.0, "on_demand": 31.456, "head": 0.25}


def job(exit_code: int | None = 0, status: str = "SUCCEEDED", reason: str = "", id_: str = "head-1") -> HeadJob:
    """Return the job of a head that began at noon and worked for three hours."""
    return HeadJob(id_, "cohort", status, reason, exit_code, NOON, NOON + 180 * MINUTE, "head/default/0a1b")


def about(state: str, message: str = "", head: str = "head-1", **fields: object) -> About:
    """Return run.json of a run of 24 samples that an upload started."""
    given = {
        "who": "s3://lab-data/raw/cohort/samples.tsv",
        "started_by": "upload",
        "submitted": NOON - 5 * MINUTE,
        "samples": 24,
        "budget": 40.0,
        "estimate": ESTIMATE,
        "started": NOON,
        "ended": NOON + 185 * MINUTE,
    }
    return About(run="cohort", state=state, message=message, head_job=head, **{**given, **fields})  # type: ignore[arg-type]


def live(state: str, done: int, failures: tuple[Failure, ...] = (), started: int = NOON) -> Live:
    """Return live.json of a start that had to finish 12 of the samples, and has spent $12.40."""
    rules = {
        "bwa_mem": RuleCount(total=48, done=4 * done, failed=len(failures)),
        "sort_index": RuleCount(total=12, done=done),
    }
    return Live("cohort", "head", "", state, started, started, rules=rules, failures=failures, spent=12.4)


DONE = """Run cohort is done.

Samples   24 of 24 done
Jobs      60 of 60 done
Cost      $12.40 for its jobs; expected $10.75 on Spot or $31.21 on demand, and $0.25 for the head; budget $40.00
Duration  3 h 05 min, 2026-03-01 12:00 UTC to 2026-03-01 15:05 UTC
Started   2026-03-01 11:55 UTC, upload (s3://lab-data/raw/cohort/samples.tsv)
Results   s3://lab-data/runs/cohort/results/
Report    s3://lab-data/runs/cohort/results/report.html

Next:
  terraflow fetch cohort
  terraflow cost cohort
"""

FAILED = """Run cohort failed.

1 job failed; all that does not need it is done.

Samples   23 of 24 done
Jobs      55 of 60 done, 1 failed
Cost      $12.40 for its jobs; expected $10.75 on Spot or $31.21 on demand, and $0.25 for the head; budget $40.00
Duration  3 h 05 min, 2026-03-01 12:00 UTC to 2026-03-01 15:05 UTC
Started   2026-03-01 11:55 UTC, upload (s3://lab-data/raw/cohort/samples.tsv)
Results   s3://lab-data/runs/cohort/results/

bwa_mem (sample=NA12878, unit=1) failed:
  OutOfMemoryError: container killed.
  Give the rule more memory: --set-resources bwa_mem:mem_mib=16384

To look closer:
  terraflow logs cohort
  terraflow status cohort
"""

OVER = """Run cohort is over budget.

$12.40 of $40.00 are spent, and what runs would pass it.

Samples   18 of 24 done
Jobs      30 of 60 done
Cost      $12.40 for its jobs; expected $10.75 on Spot or $31.21 on demand, and $0.25 for the head; budget $40.00
Duration  3 h 05 min, 2026-03-01 12:00 UTC to 2026-03-01 15:05 UTC
Started   2026-03-01 11:55 UTC, upload (s3://lab-data/raw/cohort/samples.tsv)
Results   s3://lab-data/runs/cohort/results/

To look closer:
  terraflow cost cohort
  terraflow run --name cohort --budget USD
Or raise inbox_budget, and upload the sheet again.
"""

DIED = """Run cohort ended without a word of its head.

AWS Batch says of the head's job head-1: Host EC2 terminated, exit code 137
Log: CloudWatch, /terraflow/lab, head/default/0a1b

Samples   18 of 24 done
Jobs      30 of 60 done
Cost      $12.40 for its jobs; expected $10.75 on Spot or $31.21 on demand, and $0.25 for the head; budget $40.00
Duration  3 h 00 min, 2026-03-01 12:00 UTC to 2026-03-01 15:00 UTC
Started   2026-03-01 11:55 UTC, upload (s3://lab-data/raw/cohort/samples.tsv)
Results   s3://lab-data/runs/cohort/results/

To look closer:
  terraflow logs cohort
  terraflow status cohort
"""

BY_CODE_ALONE = """Run cohort failed.

AWS Batch says of the head's job head-1: Essential container in task exited, exit code 60
Log: CloudWatch, /terraflow/lab, head/default/0a1b

Duration  3 h 00 min, 2026-03-01 12:00 UTC to 2026-03-01 15:00 UTC
Results   s3://lab-data/runs/cohort/results/

To look closer:
  terraflow logs cohort
  terraflow status cohort
"""

OUT_OF_MEMORY = Failure(
    "job-7",
    "bwa_mem",
    {"sample": "NA12878", "unit": "1"},
    "OutOfMemoryError: container killed.\nGive the rule more memory: --set-resources bwa_mem:mem_mib=16384\n",
)
ENDS = {
    "done": (job(), about("done"), live("done", 12), "is done", DONE),
    "failed": (
        job(60, "FAILED"),
        about("failed", "1 job failed; all that does not need it is done."),
        live("failed", 11, (OUT_OF_MEMORY,)),
        "failed",
        FAILED,
    ),
    "over budget": (
        job(61, "FAILED"),
        about(
            "over budget", "$12.40 of $40.00 are spent, and what runs would pass it.", sheet="raw/cohort/samples.tsv"
        ),
        live("over budget", 6),
        "is over budget",
        OVER,
    ),
    "died": (
        job(137, "FAILED", "Host EC2 terminated"),
        about("running", ended=None),
        live("running", 6),
        "ended without a word of its head",
        DIED,
    ),
    "nothing was written": (
        job(60, "FAILED", "Essential container in task exited"),
        None,
        None,
        "failed",
        BY_CODE_ALONE,
    ),
    "another start has written since": (
        job(60, "FAILED", "Essential container in task exited"),
        about("submitted", head="head-2"),
        live("done", 12, started=NOON - MINUTE),
        "failed",
        BY_CODE_ALONE,
    ),
}


@pytest.mark.parametrize(("head", "told", "seen", "title", "body"), ENDS.values(), ids=ENDS)
def test_an_end_is_told(head: HeadJob, told: About | None, seen: Live | None, title: str, body: str) -> None:
    mail = text.ended(head, told, seen, PLACE)
    assert mail is not None
    assert mail.subject == f"[terraflow] Run cohort {title}"
    assert mail.body == body


@pytest.mark.parametrize(
    ("exit_code", "status", "written", "state"),
    [
        (0, "SUCCEEDED", "running", "done"),
        (60, "FAILED", "running", "failed"),
        (61, "FAILED", "submitted", "over budget"),
        (62, "FAILED", "stopped", "stopped"),
        (62, "FAILED", "running", "stopped"),
        (64, "FAILED", "submitted", "failed"),
        (137, "FAILED", "running", "died"),
        (None, "FAILED", "submitted", "died"),
        # The head wrote how the run ended, and was killed before it could exit.
        (137, "FAILED", "done", "done"),
        # Another head has the run.
        (63, "FAILED", "running", None),
    ],
)
def test_how_a_run_ended(exit_code: int | None, status: str, written: str, state: str | None) -> None:
    assert text.state_of(job(exit_code, status), about(written)) == state


def test_a_head_that_had_no_run_is_no_news() -> None:
    assert text.ended(job(63, "FAILED"), about("running", head="head-2"), live("running", 3), PLACE) is None


def test_long_failures_are_cut() -> None:
    failures = tuple(Failure(f"job-{i}", "fastqc", {"sample": f"s{i}"}, "line\n" * 20) for i in range(7))
    mail = text.ended(job(60, "FAILED"), about("failed"), live("failed", 0, failures), PLACE)
    assert mail is not None
    assert mail.body.count("fastqc (sample=s") == 5
    assert mail.body.count("  line\n") == 5 * 15
    assert mail.body.count("  …") == 5
    assert "and 2 jobs more failed" in mail.body


WAITS = """Run cohort waits: nothing of it works, and nothing has begun for long.

2 jobs in RUNNABLE:
  sort_index (sample=b): 2 h 00 min in RUNNABLE, 8 vCPU on lab-spot. AWS Batch says: MISCONFIGURATION:JOB_RESOURCE
  bwa_mem (sample=a): 1 h 30 min in RUNNABLE, 4 vCPU on lab-spot.

Usual causes: the account's quota of Fargate vCPUs is used up or smaller than a job, Spot has no capacity, or the \
stack's limits (spot_max_vcpus, ondemand_max_vcpus, head_max_vcpus) are too low. The run goes on by itself when there \
is room; waiting costs nothing but the head.

Results  s3://lab-data/runs/cohort/results/

To look closer:
  terraflow status cohort
  terraflow stop cohort
"""


def waiting(process: str, sample: str, minutes: int, cpus: float, reason: str = "") -> LiveJob:
    """Return a job that has been in RUNNABLE for so many minutes at noon."""
    since = NOON - minutes * MINUTE
    queue = "arn:aws:batch:eu-central-1:123456789012:job-queue/lab-spot"
    return LiveJob("id", process, {"sample": sample}, False, "RUNNABLE", since, reason, queue, True, cpus, 0, 20, since)


def test_jobs_that_wait_are_told() -> None:
    jobs = [
        waiting("bwa_mem", "a", 90, 4.0),
        waiting("sort_index", "b", 120, 8.0, "MISCONFIGURATION:JOB_RESOURCE"),
    ]
    mail = text.waits("cohort", None, jobs, NOON, PLACE)
    assert (mail.subject, mail.body) == ("[terraflow] Run cohort waits", WAITS)


def test_a_head_that_waits_is_told() -> None:
    mail = text.waits("cohort", HeadJob("head-1", "cohort", "RUNNABLE", "no room"), [], NOON, PLACE)
    assert "Its head, Batch job head-1, waits in RUNNABLE. AWS Batch says: no room\n" in mail.body


SHEET = """No run was started for s3://lab-data/raw/cohort/samples.tsv.

2 files that sheet and configuration name did not come within a day.

Missing:
  s3://lab-data/raw/cohort/a_R1.fastq.gz
  s3://lab-data/raw/cohort/a_R2.fastq.gz

Put it right and bring the sheet again the way it came: that starts the run.
"""


def test_a_sheet_without_a_run_is_told() -> None:
    missing = ["s3://lab-data/raw/cohort/a_R1.fastq.gz", "s3://lab-data/raw/cohort/a_R2.fastq.gz"]
    message = "2 files that sheet and configuration name did not come within a day."
    mail = text.sheet("cohort", message, missing, PLACE)
    assert (mail.subject, mail.body) == ("[terraflow] No run was started for raw/cohort/samples.tsv", SHEET)


@pytest.mark.parametrize(("line", "count"), [("line: sample: wrong", 30_000), ("x" * 100_000, 20)])
def test_long_texts_are_cut(line: str, count: int) -> None:
    """SNS takes 256 KiB."""
    lines = [line] * count
    said = "\n".join(lines)
    sheet = text.sheet("cohort", said, lines, PLACE).body
    assert f"\nand {count - 15:,} more lines: s3://lab-data/raw/cohort/inbox.json has all\n" in sheet
    assert f"\n  and {count - 15:,} more: s3://lab-data/raw/cohort/inbox.json has all\n" in sheet
    failures = tuple(Failure("id", "call", {"sample": said}, said) for _ in range(100))
    ended = text.ended(job(60, "FAILED", said), about("failed", said), live("failed", 0, failures), PLACE)
    assert ended is not None
    assert f"\nand {count - 15:,} more lines: s3://lab-data/runs/cohort/head/run.json has all\n" in ended.body
    died = text.ended(job(137, "FAILED", said), about("running", said), None, PLACE)
    assert died is not None
    waits = text.waits("cohort", None, [waiting("call", said, 90, 1, said)] * 100, NOON, PLACE).body
    broken = job(1, "FAILED", said)
    launchers = text.launcher_failed(broken, PLACE, of_airflow=False).body + text.launcher_waits(broken).body
    assert max(map(len, (sheet, ended.body, died.body, waits, launchers))) < 40_000


def test_a_sheet_in_which_each_line_is_wrong_is_a_short_mail() -> None:
    mail = text.sheet("cohort", "\n".join(f"line {n}: sample: wrong" for n in range(30_000)), (), PLACE)
    assert len(mail.body.encode()) < 5_000
    assert "line 14: sample: wrong\nand 29,985 more lines: s3://lab-data/raw/cohort/inbox.json has all\n" in mail.body


LAUNCHER = """The launcher of runs failed, so sheets in the inbox may wait.

Batch job  head-1
Reason     CannotPullContainerError, exit code 1
Log        CloudWatch, /terraflow/lab, head/default/0a1b

It is started again each hour. A second message follows tomorrow at the earliest.
"""


def test_a_launcher_that_failed_is_told() -> None:
    failed = job(1, "FAILED", "CannotPullContainerError")
    mail = text.launcher_failed(failed, PLACE, of_airflow=False)
    assert (mail.subject, mail.body) == ("[terraflow] The launcher of runs failed", LAUNCHER)
    mail = text.launcher_failed(failed, PLACE, of_airflow=True)
    first, *rest = mail.body.splitlines()
    assert first == "The launcher of run cohort, which Airflow has started, failed."
    assert rest[-1] == "The run's task in Airflow says more. A second message follows tomorrow at the earliest."
    assert rest[:-1] == LAUNCHER.splitlines()[1:-1]


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("Größe\n", "[terraflow] No run was started for raw/Gr??e?/samples.tsv"),
        ("a" * 90, f"[terraflow] No run was started for raw/{'a' * 57}..."),
    ],
)
def test_a_subject_is_one_that_sns_takes(name: str, subject: str) -> None:
    mail = text.sheet(name, "", [], PLACE)
    assert mail.subject == subject
    assert len(mail.subject) < 100


def test_a_head_that_was_stopped_before_it_began_was_stopped() -> None:
    assert text.STOPPED_BY == ending.REASON
    assert text.state_of(job(None, "FAILED", ending.REASON), about("submitted")) == "stopped"
