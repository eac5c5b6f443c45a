"""What the DAGs' tasks besides runs do: the form's check, and the report."""

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from cloud import BUCKET, HEADER, Cloud
from terraflow_airflow import links, tasks
from terraflow_airflow import stack as stacks

SHEET = f"{HEADER}a\t1\tr.fq\t\n"


def test_a_form_is_checked_and_nothing_is_written(cloud: Cloud) -> None:
    found = tasks.check(BUCKET, "cohort", SHEET, '{"calling": {"ploidy": 1}}', "7.5")
    assert found == {
        "name": "cohort",
        "writes": ["raw/cohort/config.yaml", "raw/cohort/samples.tsv"],
        "budget": 7.5,
        "under_way": False,
    }
    assert cloud.get("raw/cohort/samples.tsv") is None
    cloud.sheet("cohort", SHEET)
    cloud.head("cohort")
    assert tasks.check(BUCKET, "cohort") == {"name": "cohort", "writes": [], "budget": 20, "under_way": True}
    assert {name for name, _ in cloud.batch.calls} == {"ListJobs", "DescribeJobs"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("a b", SHEET), "Name of the run: found 'a b'"),
        (("cohort",), "Sheet: found none, and s3://lab-data/raw/cohort/samples.tsv is not there either."),
        (("cohort", SHEET, "[1]"), "Settings: found [1]"),
        (("cohort", SHEET, "", "-1"), "Budget: found '-1'"),
        (
            ("works", f"{SHEET}b\t1\tr.fq\t\n"),
            "works is under way (Batch job job-1) with another raw/works/samples.tsv",
        ),
        (("theirs", SHEET, "a: 1"), "raw/theirs/config.yaml was written by somebody else"),
    ],
)
def test_a_wrong_form_is_refused(cloud: Cloud, given: tuple[str, ...], words: str) -> None:
    cloud.sheet("works", SHEET)
    cloud.head("works")
    cloud.put("raw/theirs/config.yaml", "reference: {}\n")
    with pytest.raises(AirflowFailException) as error:
        tasks.check(BUCKET, *given)
    assert words in str(error.value)


def test_a_run_has_a_limit(cloud: Cloud) -> None:
    cloud.publish(inbox_budget=None)
    with pytest.raises(AirflowFailException, match="Budget: found none"):
        tasks.check(BUCKET, "cohort", SHEET)


def test_the_report_says_what_a_run_has_left(capsys: pytest.CaptureFixture[str]) -> None:
    left: dict[str, Any] = {
        "run": "cohort",
        "state": "done",
        "head_job": "job-2",
        "results": "s3://lab/runs/cohort/results/",
        "cost": 1234.5,
        "samples": 3,
        "report": "s3://lab/runs/cohort/results/report.html",
        "timeline": None,
    }
    text = tasks.report(left)
    assert text.splitlines() == [
        "Run cohort: done",
        "Samples:  3",
        "Cost:     $1,234.50 for its jobs",
        "Results:  s3://lab/runs/cohort/results/",
        "Report:   s3://lab/runs/cohort/results/report.html",
        "Fetch it: terraflow fetch cohort",
    ]
    assert capsys.readouterr().out == f"{text}\n"
    bare = tasks.report({**left, "cost": None, "samples": None, "report": None})
    assert bare.splitlines() == [
        "Run cohort: done",
        "Results:  s3://lab/runs/cohort/results/",
        "Fetch it: terraflow fetch cohort",
    ]


def test_links_lead_to_the_consoles_of_the_region(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = stacks.read(cloud.s3, BUCKET)
    found = links.addresses(stack, "cohort", "job-2", "head/default/0a")
    console = "https://us-east-1.console.aws.amazon.com"
    group = "$252Fterraflow$252Flab"
    assert found == {
        "Report": f"{console}/s3/object/lab-data?region=us-east-1&prefix=runs%2Fcohort%2Fresults%2Freport.html",
        "Timeline": f"{console}/s3/object/lab-data?region=us-east-1&prefix=runs%2Fcohort%2Fresults%2Ftimeline.html",
        "CloudWatch": f"{console}/cloudwatch/home?region=us-east-1#logsV2:log-groups/log-group/{group}/log-events/"
        "head$252Fdefault$252F0a",
        "AWS Batch": f"{console}/batch/home?region=us-east-1#jobs/detail/job-2",
    }
    stored: dict[str, Any] = {links.XCOM: found}
    monkeypatch.setattr(links.XCom, "get_value", lambda key, ti_key: stored.get(key))
    one: Any = None
    shown = {link.name: link.get_link(one, ti_key=one) for link in (links.ReportLink(), links.TimelineLink())}
    assert shown == {name: found[name] for name in ("Report", "Timeline")}
    stored.clear()
    assert links.LogLink().get_link(one, ti_key=one) == links.JobLink().get_link(one, ti_key=one) == ""
