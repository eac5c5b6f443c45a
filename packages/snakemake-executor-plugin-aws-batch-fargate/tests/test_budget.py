"""The budget: what jobs are expected to cost, and a run that ends when there is no more, and goes on with more."""

import time
from typing import Any

import pytest
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

from fake_batch import FakeAws
from fake_head import Make, ended, jobs, until
from fake_jobs import FakeJob, submission_of
from record_site import live, planned, record
from snakemake_aws_common.prices import cost_of, load
from snakemake_aws_common.record.attempt import COMPLETED, FAILED, Attempt
from snakemake_executor_plugin_aws_batch_fargate import attempts, journal, settings
from snakemake_executor_plugin_aws_batch_fargate.budget import Budget, Running
from snakemake_executor_plugin_aws_batch_fargate.preflight import Report
from snakemake_executor_plugin_aws_batch_fargate.request import info_of

GIB = 2**30
PRICES = load("us-east-1")
HOUR = 3_600_000


def of(rule: str = "map") -> attempts.Known:
    """Four vCPUs, eight GiB."""
    return attempts.Known(rule, {}, False, cpus=4, memory=8 * GIB)


def dollars(seconds: float, spot: bool = False) -> float:
    """By hand: four vCPUs and eight GiB for so many seconds of work."""
    rates = PRICES.rates["X86_64"]
    whole = (4 * rates.vcpu_hour + 8 * rates.memory_gb_hour) * (seconds + PRICES.pull_seconds) / 3600
    return whole * (1 - PRICES.spot_discount if spot else 1) + PRICES.endpoint_bytes / 1e9 * PRICES.endpoint_gb


def attempt(seconds: float, status: str = COMPLETED, rule: str = "map") -> Attempt:
    description = {
        "jobId": "j",
        "status": "SUCCEEDED" if status == COMPLETED else "FAILED",
        "attempts": [{"startedAt": HOUR, "stoppedAt": HOUR + int(seconds * 1000)}],
    }
    (one,) = attempts.ended_attempts(description, of(rule), {}, "head")
    return one


@pytest.mark.parametrize(
    ("recorded", "start", "spot", "seconds"),
    [
        # None of its rule has ended well: as long again as it has run, a minute at least.
        ([], None, False, 60),
        ([], HOUR - 10_000, False, 60),
        ([], HOUR - 600_000, False, 1200),
        ([], HOUR - 600_000, True, 1200),
        ([attempt(900, FAILED)], HOUR - 600_000, False, 1200),
        ([attempt(900, rule="sort")], HOUR - 600_000, False, 1200),
        # What its rule takes on average, or longer if it has run longer.
        ([attempt(900), attempt(700)], None, False, 800),
        ([attempt(900), attempt(700)], HOUR - 300_000, False, 800),
        ([attempt(900), attempt(700)], HOUR - 3_000_000, False, 3000),
    ],
)
def test_what_a_job_is_going_to_cost(recorded: list[Attempt], start: int | None, spot: bool, seconds: float) -> None:
    budget = Budget(5, PRICES)
    budget.add(recorded)
    assert budget.expected(Running(of(), spot, start), HOUR) == pytest.approx(dollars(seconds, spot))


def test_what_is_spent_and_what_it_will_be() -> None:
    budget = Budget(5, PRICES)
    budget.add([attempt(900), attempt(300, FAILED)])
    jobs = [Running(of(), False, HOUR - 600_000), Running(of(), True)]
    assert budget.spent(jobs, HOUR) == pytest.approx(dollars(900) + dollars(300) + dollars(600))
    whole = dollars(900) + dollars(300) + dollars(900) + dollars(900, spot=True)
    assert budget.committed(jobs, HOUR) == pytest.approx(whole)
    assert Budget(None, None).spent(jobs, HOUR) is None


def test_nothing_is_submitted_beyond_the_budget_and_more_goes_on(make: Make, aws: FakeAws, s3: Any) -> None:
    """A job of a minute costs a known sum: there is money for three of them."""
    of_one = attempts.known(FakeJob(), submission_of(FakeJob()))
    price = Budget(1, PRICES).expected(Running(of_one, True), 0)
    given = jobs(5)
    one = make(budget=3.5 * price)
    planned(one, *given)
    one.run_jobs(given)
    assert len(aws.batch.submitted()) == 3
    refused = [job for job, _ in ended(one)]
    assert len(refused) == 2 and all(job.attempt > job.restart_times for job in refused), "it is not tried again"
    assert (
        "No further job is submitted" in refused[0].errors[0] and "--aws-batch-fargate-budget" in refused[0].errors[0]
    )
    assert "for the same reason as others" in refused[1].errors[0]
    for job in aws.batch.submitted():
        # Whatever the test has taken so far: it would count for the jobs that follow.
        job["startedAt"] = int(time.time() * 1000) - 60_000
        aws.batch.end(job, "SUCCEEDED", 0)
    until(lambda: len(ended(one)) == 5)
    one.shutdown()
    assert live(s3).state == "over budget" and live(s3).budget == 3.5 * price
    assert (
        live(s3).spent == pytest.approx(sum(cost_of(each, PRICES).total for each in record(s3)))
        and f"${3.5 * price:,.2f}" in live(s3).message
    )
    assert "The run has ended before its end" in one.logger.text
    # The same command with the same budget, and with a larger one.
    two = make(budget=3.5 * price)
    two.run_jobs([refused[0]])
    two.shutdown()
    assert len(aws.batch.submitted()) == 3
    three = make(budget=5.5 * price)
    planned(three, *refused)
    three.run_jobs(refused)
    for job in aws.batch.submitted()[3:]:
        aws.batch.end(job, "SUCCEEDED", 0)
    until(lambda: len(ended(three)) == 2)
    three.shutdown()
    assert (len(aws.batch.submitted()), live(s3).state, len(record(s3))) == (5, "done", 5)


def test_a_lost_job_is_not_moved_beyond_the_budget(make: Make, aws: FakeAws, s3: Any) -> None:
    of_one = attempts.known(FakeJob(), submission_of(FakeJob()))
    job = FakeJob(restart_times=2)
    one = make(budget=1.5 * Budget(1, PRICES).expected(Running(of_one, True), 0))
    planned(one, job)
    one.run_jobs([job])
    (lost,) = aws.batch.submitted()
    lost["startedAt"] = lost["createdAt"]
    aws.batch.end(lost, "FAILED", None, "Your Spot Task was interrupted.")
    until(lambda: len(ended(one)) == 1)
    one.shutdown()
    assert len(aws.batch.submitted()) == 1 and live(s3).state == "over budget"
    assert "is not given to queue ondemand: The run's budget is" in one.logger.text


def test_jobs_that_batch_has_not_answered_for_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batch takes a while, and what the jobs cost is counted anew each second: what it refuses is free again."""
    clock = [0.0]
    monkeypatch.setattr(journal.time, "monotonic", lambda: clock[0])
    of_one = attempts.known(FakeJob(), submission_of(FakeJob()))
    price = Budget(1, PRICES).expected(Running(of_one, True), 0)
    in_batch: list[SubmittedJobInfo] = []
    progress: Any = None
    report = Report(spot={"spot": True})
    one = journal.Journal(None, report, progress, Budget(20.5 * price, PRICES), lambda: in_batch, print)
    given = jobs(200)

    def allowed(job: FakeJob) -> bool:
        clock[0] += 0.1
        return not one.refusal(job, submission_of(job))

    assert [allowed(job) for job in given[:10]] == [True] * 10
    # Three arrive in Batch, two are refused.
    in_batch += [info_of(job, submission_of(job), job.output[0]) for job in given[:3]]
    for job in given[:5]:
        one.arrived(job)
    assert [allowed(job) for job in given[10:]] == [True] * 12 + [False] * 178


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"budget": 0.0}, "--aws-batch-fargate-budget is 0: it has to be more than 0 US dollars"),
        ({"budget": float("nan")}, "--aws-batch-fargate-budget is nan"),
        ({"prices": "/nowhere/prices.json"}, "--aws-batch-fargate-prices: /nowhere/prices.json: .* can't be read"),
    ],
)
def test_settings_that_make_no_sense(given: dict[str, Any], words: str) -> None:
    with pytest.raises(WorkflowError, match=words):
        settings.prices_of(settings.ExecutorSettings(**given), "us-east-1")


@pytest.mark.parametrize("budget", [None, 5.0])
def test_a_budget_is_kept_in_a_region_without_prices(make: Make, aws: FakeAws, s3: Any, budget: float | None) -> None:
    one = make(region="eu-central-1", budget=budget)
    planned(one, *jobs(1))
    one.run_jobs(jobs(1))
    assert len(aws.batch.submitted()) == 1
    assert one.logger.text.count("no prices of eu-central-1: reckoned with those of us-east-1 times 1.75") == 1
    assert "--aws-batch-fargate-prices FILE" in one.logger.text
