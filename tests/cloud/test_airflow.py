"""Real Airflow and real containers: runs are started, ended and followed, through whatever happens to Airflow.

The page is tested with the same Airflow in tests/pages, its container in test_airflow_image.py.
"""

import re
from collections.abc import Callable

import pytest
from airflows import COLUMNS, SHEET, Desk

from terraflow.heads import about as abouts

BROKEN = f"{COLUMNS}\nB C\tL1\tb.fastq.gz\t\n"


@pytest.fixture(scope="module")
def orders(desk: Desk) -> Callable[[], str]:
    """Ask for three runs at once, and return a function that waits for the DAG run of the uploaded sheet."""
    desk.s3.put_object(Bucket=desk.bucket, Key="raw/uploaded/samples.tsv", Body=SHEET.encode())
    desk.order("asked")
    desk.order("broken", sheet=BROKEN)
    place = "dags/terraflow_inbox/dagRuns"

    def uploaded() -> str:
        desk.until(lambda: desk.call(place)["total_entries"])
        return str(desk.call(place)["dag_runs"][0]["dag_run_id"])

    return uploaded


def test_a_run_that_the_api_starts_finishes(desk: Desk, orders: Callable[[], str]) -> None:
    assert desk.ended("asked")["state"] == "success", desk.said("asked")
    desk.ran_once("asked")
    left = desk.xcom("asked")
    assert (left["state"], left["samples"], left["report"]) == ("done", 1, None)
    assert left["results"] == desk.xcom("asked", "results") == f"s3://{desk.bucket}/runs/asked/results/"
    assert left["cost"] == desk.xcom("asked", "cost") > 0
    desk.heard("asked", "Run asked is done")
    # The head's own lines, and the count of its jobs.
    desk.heard("asked", "done: gather")
    progress = re.compile(r"Progress: (\d) of \1 jobs done, 0 run, \$0\.\d\d so far")
    desk.until(lambda: progress.search(desk.said("asked")), "asked")
    desk.heard("asked", f"Results:  s3://{desk.bucket}/runs/asked/results/", "report")


def test_a_broken_sheet_is_refused_in_the_workflow_s_words(desk: Desk, orders: Callable[[], str]) -> None:
    assert desk.ended("broken")["state"] == "failed"
    said = desk.heard("broken", "Run broken: refused. Problems in the sample sheet (samples), nothing was run:")
    assert "raw/broken/samples.tsv, line 2: sample: found 'B C'" in said, said
    # What is refused is not tried five times more. A task that a busy machine has lost is tried again.
    assert desk.task("broken")["try_number"] < 6
    assert desk.of_rule("broken", "head") == []


def test_an_uploaded_sheet_becomes_one_run(desk: Desk, orders: Callable[[], str]) -> None:
    run = orders()
    done = desk.ended(run, "terraflow_inbox")
    assert done["state"] == "success", desk.said(run, dag="terraflow_inbox")
    desk.ran_once("uploaded")
    # Sheets that came with a form are not uploads.
    assert desk.call("dags/terraflow_inbox/dagRuns")["total_entries"] == 1
    # A task that a busy machine has lost is tried again, and may need a launcher to learn that all is done.
    assert 1 <= len(desk.of_rule("uploaded", "launcher")) <= desk.task(run, dag="terraflow_inbox")["try_number"]


def test_a_run_that_is_cancelled_while_deferred_leaves_no_job(desk: Desk) -> None:
    desk.order("stopped", seconds=600)
    desk.until(lambda: desk.at_work("stopped") and "(head: RUNNING)" in desk.said("stopped"), "stopped")
    desk.call("dags/terraflow_run/dagRuns/stopped", {"state": "failed"}, "PATCH")
    desk.until(lambda: not desk.active("stopped"), "stopped")
    [head] = desk.of_rule("stopped", "head")
    assert (head["status"], len(head["attempts"]), head["container"]["exitCode"]) == ("FAILED", 1, 62)
    assert desk.about("stopped").state == abouts.STOPPED
    assert ".head-lock.json" not in desk.keys("runs/stopped/")
    assert desk.dag_run("stopped")["state"] == "failed"


def test_a_run_survives_the_end_of_all_of_airflow(desk: Desk) -> None:
    """Every process gets SIGKILL in the middle of the run, and what they had on their disk is lost."""
    # Longer than it takes to see all four at work; they go on while Airflow starts again.
    desk.order("survives", seconds=90)
    desk.until(lambda: desk.at_work("survives"), "survives")
    desk.service.kill()
    desk.service.start()
    assert desk.ended("survives")["state"] == "success", desk.said("survives")
    desk.ran_once("survives")
    assert 1 <= len(desk.of_rule("survives", "launcher")) <= desk.task("survives")["try_number"]
    desk.heard("survives", "Run survives is done")
    assert desk.xcom("survives")["state"] == "done"
