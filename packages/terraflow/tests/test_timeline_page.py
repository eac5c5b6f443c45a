"""The page of a run: what lies in it, what the command says, and where a head puts it."""

import html
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from run_objects import ABOUT, BUCKET, LIVE, put
from run_objects import STACK as UNUSUAL
from snakemake_aws_common import prices
from snakemake_aws_common.record.live import Failure
from terraflow import cli
from terraflow import stack as stacks
from terraflow.costs import command as costs
from terraflow.launch import capacity
from terraflow.runs import find
from terraflow.timeline import write
from terraflow.timeline.page import Content, Page, make
from timeline_records import HOSTILE, RECORD, T0

PRICES = prices.load("us-east-1")
STACK = replace(UNUSUAL, architecture="X86_64")
CONTENT = Content("cohort7", "s3://data/runs/cohort7", "done", RECORD, LIVE, ABOUT, PRICES, {"limit: 6 vCPUs": 6})


def made(content: Content = CONTENT) -> Page:
    """The page of a run."""
    return make(content, T0 + 10**6)


def record(page: Page) -> Any:
    """What the script of a page draws."""
    (text,) = re.findall(r'<script type="application/json" id="record">(.*?)</script>', page.html, re.DOTALL)
    return json.loads(text)


def without_scripts(page: Page) -> str:
    """The HTML of a page, without the scripts and their data."""
    return re.sub(r"<script[^>]*>.*?</script>", "", page.html, flags=re.DOTALL)


def test_the_page_has_the_runs_numbers() -> None:
    page = made()
    cost = sum(prices.cost_of(one, PRICES).total for one in RECORD)
    assert page.cost == pytest.approx(cost)
    assert (page.attempts, page.failed, page.start, page.end) == (4, 2, T0, T0 + 300_000)
    assert page.highest_vcpus == {"Spot": 4, "on demand": 3}
    assert f"<title>Run cohort7: done, ${cost:,.2f}</title>" in page.html
    assert "2026-03-01 12:00:00 UTC" in page.html
    curves = record(page)["curves"]
    assert curves["spent"][-1] == pytest.approx(cost, abs=1e-6)
    assert max(curves["Spot"]) == 4
    assert max(curves["on demand"]) == 3


def test_bars_of_the_page_have_the_phases_of_the_record() -> None:
    drawn = record(made())
    names = drawn["names"]
    told = {}
    for number, native_id in enumerate(drawn["jobs"]["id"]):
        spans = [int(text) for text in drawn["jobs"]["spans"][number].split()]
        begin = drawn["start"] + drawn["jobs"]["begin"][number]
        told[(native_id, drawn["jobs"]["attempt"][number])] = (begin, begin + sum(spans[1::2]))
        assert names["process"][drawn["jobs"]["process"][number]] in {"lane", "multiqc", "bcftools_call"}
    assert told == {
        ("job-lane", 1): (T0, T0 + 100_000),
        ("job-lane", 2): (T0 + 100_000, T0 + 190_000),
        ("job-alone", 1): (T0 + 200_000, T0 + 300_000),
        ("job-full", 1): (T0 + 200_000, T0 + 300_000),
    }


def test_jobs_are_in_the_order_of_their_samples_and_rules() -> None:
    drawn = record(made())
    jobs, names = drawn["jobs"], drawn["names"]
    places = {order: dict(zip(jobs[order], jobs[column], strict=True)) for order, column in
              (("by_sample", "sample"), ("by_rule", "process"))}  # fmt: skip
    assert [names["sample"][places["by_sample"][place]] for place in range(3)] == ["a", "b", "shared"]
    assert [names["process"][places["by_rule"][place]] for place in range(3)] == ["lane", "bcftools_call", "multiqc"]


def test_nothing_is_loaded_from_elsewhere_and_nothing_can_be() -> None:
    outside = without_scripts(made())
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=", outside)
    assert "default-src 'none'" in outside


def test_names_and_messages_stay_text() -> None:
    hostile = [
        replace(one, process=HOSTILE, wildcards={"sample": HOSTILE, "unit": HOSTILE}, reason=HOSTILE, queue=HOSTILE)
        for one in RECORD
    ]
    hostile = [
        replace(one, steps=tuple(replace(step, process=HOSTILE, wildcards={"sample": HOSTILE}) for step in one.steps))
        for one in hostile
    ]
    live = replace(LIVE, failures=(Failure("id", HOSTILE, {"sample": HOSTILE}, HOSTILE),))
    page = made(
        replace(
            CONTENT, run=HOSTILE, attempts=hostile, live=live, limits={HOSTILE: 6},
            who=HOSTILE, started_by=HOSTILE, message=HOSTILE,
        )
    )  # fmt: skip
    assert page.html.count("<script") == page.html.count("</script>") == 5
    assert "<img" not in without_scripts(page)
    assert html.escape(HOSTILE).replace("&#x27;", "&#39;") in page.html
    assert record(page)["names"]["sample"] == [HOSTILE]


def test_a_run_without_jobs_has_a_page() -> None:
    page = made(replace(CONTENT, attempts=[]))
    assert (page.attempts, page.cost, page.start) == (0, 0, None)
    assert "No attempt of a job has been recorded yet." in page.html


def test_without_prices_there_are_no_costs() -> None:
    page = made(replace(CONTENT, prices=None))
    assert page.cost is None
    assert "There are no prices of this region" in page.html


def test_an_architecture_without_prices_leaves_costs_out(s3: Any) -> None:
    put(s3, "cohort7", about=ABOUT, live=LIVE, attempts=RECORD)
    page = write.of_run(s3, find.find("cohort7", UNUSUAL, s3), UNUSUAL)
    assert (page.cost, page.attempts) == (None, 4)
    assert "There are no prices of architecture in us-east-1" in page.money


def facts(page: Page) -> dict[str, str]:
    """The facts about the run that stand above its figures."""
    return dict(re.findall(r"<dt>(.*?)</dt>\s*<dd>(.*?)</dd>", page.html))


def test_the_page_tells_of_the_last_start(s3: Any) -> None:
    """A laptop has done what a head in the cloud was stopped at."""
    stopped = replace(ABOUT, state="stopped", submitted=T0 - 90_000, ended=T0 + 1, message="It was stopped by ada.")
    live = replace(LIVE, who="eve@laptop", started=T0 + 2, ended=T0 + 500_000)
    put(s3, "cohort7", about=stopped, live=live, attempts=RECORD)
    page = write.of_run(s3, find.find("cohort7", STACK, s3), STACK)
    told, message = facts(page), '<p class="failure">It was stopped by ada.</p>'
    assert (told["who"], told["started by"]) == ("eve@laptop", "snakemake")
    assert message not in page.html
    assert told["first job submitted"] == "2026-03-01 12:00:00 UTC"
    assert page.start == T0 - 90_000
    put(s3, "cohort7", about=stopped, live=replace(live, started=T0, ended=T0))
    page = write.of_run(s3, find.find("cohort7", STACK, s3), STACK)
    assert facts(page)["who"] == "ada"
    assert message in page.html


@pytest.fixture
def folder(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, with a deployed stack whose bucket holds a run."""
    put(s3, "cohort7", about=ABOUT, live=LIVE, attempts=RECORD)
    monkeypatch.setattr(stacks, "deployed", lambda: STACK)
    monkeypatch.setattr(capacity, "of_spot", lambda _: capacity.Capacity(16, "spot_max_vcpus"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_writes_a_file_and_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["timeline", "cohort7", "--out", "pages/a.html", "--vcpus", "6"]) == 0
    assert "pages/a.html: 4 attempts at jobs, 2 of them failed or lost; $0." in capsys.readouterr().out
    assert '"limit: 6 vCPUs"' in (folder / "pages/a.html").read_text()


def test_the_command_speaks_json_and_has_the_cost_of_terraflow_cost(
    s3: Any, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["timeline", "cohort7", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["run"], told["file"], told["attempts"], told["failed"]) == ("cohort7", "timeline-cohort7.html", 4, 2)
    assert (told["start"], told["highest_vcpus"]) == (ABOUT.submitted, {"Spot": 4, "on demand": 4})
    bill = costs.bill_of(find.find("cohort7", STACK, s3), STACK, s3=s3)
    assert told["cost"] == pytest.approx(bill.total, abs=1e-7) != made().cost
    assert (folder / told["file"]).exists()


def test_a_run_without_a_record_is_said(s3: Any, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    s3.put_object(Bucket=BUCKET, Key="runs/old/results/a", Body=b"")
    assert cli.main(["timeline", "old"]) == 1
    assert "Run old has no record" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_a_head_puts_the_page_beside_the_report(s3: Any, folder: Path) -> None:
    address = write.write(s3, STACK, "cohort7")
    assert address == f"s3://{BUCKET}/runs/cohort7/results/timeline.html"
    answer = s3.get_object(Bucket=BUCKET, Key="runs/cohort7/results/timeline.html")
    assert answer["ContentType"] == "text/html; charset=utf-8"
    text = answer["Body"].read()
    assert b"<title>Run cohort7: done, $" in text
    assert b'"Spot: 16 vCPUs (spot_max_vcpus)"' in text
