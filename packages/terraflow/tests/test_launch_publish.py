"""The published workflow: sent when it has changed, whole when it is fetched, and laid out for a sheet of the inbox."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from launching import CONFIG, HEADS, PLANNED, SHEET, Site, make
from run_objects import ABOUT, BUCKET, put
from terraflow import cli
from terraflow.errors import UserError
from terraflow.heads import about as abouts
from terraflow.heads import archive
from terraflow.launch import command, inbox_files, publish
from terraflow.launch.inbox_run import WHOLE, launch_sheet, name_in, note_refusal
from terraflow.launch.inputs import MissingError
from terraflow.launch.publish import Published, fetch
from terraflow.launch.rehearse import RefusedError

KEY = "raw/cohort7/samples.tsv"


@pytest.fixture
def site(tmp_path: Path, s3: Any, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site whose project has configurations, as a checkout after `terraflow stage`."""
    made = make(tmp_path, s3, monkeypatch)
    config = made.folder / "project" / "config"
    config.mkdir()
    (config / "config.yaml").write_text(yaml.safe_dump(CONFIG | {"reads": {"shards": 3}, "filters": {"A": "QUAL < 1"}}))
    (config / "aws.yaml").write_text(yaml.safe_dump({"reference": CONFIG["reference"]}))
    return made


def published(site: Site) -> Published:
    publish.publish(site.s3, HEADS, site.folder / "project")
    return fetch(site.s3, BUCKET, site.folder / "fetched")


def test_what_has_not_changed_is_not_sent_again(site: Site) -> None:
    project = site.folder / "project"
    first = publish.publish(site.s3, HEADS, project)
    assert first.changed and first.problems == ()
    current = json.loads(site.s3.get_object(Bucket=BUCKET, Key="workflow/current.json")["Body"].read())
    assert current["archive"] == f"workflow/{current['sha256']}.tar.xz"
    assert sorted(site.keys("workflow/")) == sorted([current["archive"], "workflow/current.json"])
    (project / "workflow/Snakefile").touch()
    again = publish.publish(site.s3, HEADS, project)
    assert (again.current, again.changed) == (first.current, False)

    (project / "workflow/Snakefile").write_text("rule other:")
    changed = publish.publish(site.s3, HEADS, project)
    assert changed.changed and changed.current.sha256 != first.current.sha256
    site.s3.delete_object(Bucket=BUCKET, Key=changed.current.archive)
    assert publish.publish(site.s3, HEADS, project).changed, "an archive that is gone is sent again"


def test_what_is_fetched_is_what_was_published(site: Site) -> None:
    found = published(site)
    assert found.stack == HEADS
    assert (found.project / "workflow/Snakefile").read_text() == "workflow/Snakefile"
    assert found.config == found.project / "config/aws.yaml"
    assert yaml.safe_load(found.config.read_text()) == {"reference": CONFIG["reference"]}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (None, "No workflow was published in s3://data/workflow/: `make deploy`"),
        (b"[]", "s3://data/workflow/current.json is not what `make deploy` writes"),
        (b"{", "s3://data/workflow/current.json is not what `make deploy` writes"),
    ],
)
def test_no_workflow_or_another_object_is_said(site: Site, body: bytes | None, words: str) -> None:
    if body:
        site.s3.put_object(Bucket=BUCKET, Key="workflow/current.json", Body=body)
    with pytest.raises(UserError, match=words):
        fetch(site.s3, BUCKET, site.folder / "fetched")


def test_a_damaged_workflow_is_refused(site: Site) -> None:
    done = publish.publish(site.s3, HEADS, site.folder / "project")
    site.s3.put_object(Bucket=BUCKET, Key=done.current.archive, Body=b"x")
    with pytest.raises(UserError, match=r"SHA-256 is .* `make deploy` publishes it anew"):
        fetch(site.s3, BUCKET, site.folder / "fetched")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "config/aws.yaml is missing"),
        ("a: [", "can't be read as YAML"),
        ("calling: {ploidy: /etc/hostname}", "absolute path"),
    ],
)
def test_a_default_configuration_that_can_t_serve_is_left_out_and_said(
    site: Site, content: str | None, problem: str
) -> None:
    path = site.folder / "project/config/aws.yaml"
    path.write_text(content) if content else path.unlink()
    done = publish.publish(site.s3, HEADS, site.folder / "project")
    assert done.current.config == "" and problem in done.problems[0]
    assert fetch(site.s3, BUCKET, site.folder / "fetched").config is None


# Sheets in the inbox


def planned(site: Site, tmp_path: Path) -> tuple[archive.Manifest, Path]:
    """Unpack the archive that was planned last."""
    packed, _ = site.rehearsed[-1]
    return archive.unpack(packed.body, packed.sha256, tmp_path / "head"), tmp_path / "head" / archive.FILES


def start(site: Site, found: Published, **given: Any) -> str | None:
    return launch_sheet(found, site.s3, KEY, **{"budget": 20.0, "started_by": "upload", **given}).head_job


def test_a_sheet_alone_has_the_default_configuration(site: Site, tmp_path: Path) -> None:
    sheet = SHEET + "b\t1\treads/b.fq.gz\t\n# a comment\nb\t2\t./b2.fq.gz\t\n"
    etag = site.s3.put_object(Bucket=BUCKET, Key=KEY, Body=sheet)["ETag"]

    assert start(site, published(site)) == "head-1"

    manifest, files = planned(site, tmp_path)
    assert manifest.configfiles == ["config/aws.yaml"]
    assert yaml.safe_load((files / "config/aws.yaml").read_text()) == {"reference": CONFIG["reference"], "samples": KEY}
    assert (files / "config/config.yaml").is_file()
    # Paths start from the sheet's own place, and lines keep their numbers.
    expected = sheet.replace("reads/b", "s3://data/raw/cohort7/reads/b").replace("./b2", "s3://data/raw/cohort7/b2")
    assert (files / KEY).read_text() == expected
    about = abouts.from_json(site.s3.get_object(Bucket=BUCKET, Key="runs/cohort7/head/run.json")["Body"].read())
    assert (about.sheet, about.sheet_etag, about.started_by, about.budget) == (KEY, etag, "upload", 20)


@pytest.mark.parametrize(("first", "below"), [("", True), (f"{WHOLE}: no other.\n", False)])
def test_a_configuration_beside_the_sheet_counts(site: Site, tmp_path: Path, first: str, below: bool) -> None:
    """A whole one gets nothing from the published default, such as a further filter."""
    own = {"reference": {"fasta": "s3://data/reference/other.fa"}, "calling": {"ploidy": "config/sexes.txt"}}
    site.s3.put_object(Bucket=BUCKET, Key="raw/cohort7/config.yaml", Body=first + yaml.safe_dump(own))
    site.s3.put_object(Bucket=BUCKET, Key="raw/cohort7/config/sexes.txt", Body=b"* * * * 2\n")
    site.s3.put_object(Bucket=BUCKET, Key=KEY, Body=SHEET)

    assert start(site, published(site)) == "head-1"

    manifest, files = planned(site, tmp_path)
    assert manifest.configfiles == ["raw/cohort7/config.yaml"]
    assert yaml.safe_load((files / "raw/cohort7/config.yaml").read_text()) == {**own, "samples": KEY}
    assert (files / "config/sexes.txt").read_bytes() == b"* * * * 2\n"
    assert (files / "config/config.yaml").is_file() == below


@pytest.mark.parametrize(
    ("objects", "given", "words"),
    [
        ({KEY: b"\xff\xfe"}, {}, "raw/cohort7/samples.tsv: found bytes that are no UTF-8"),
        ({KEY: SHEET, "raw/cohort7/config.yaml": b"a: ["}, {}, "raw/cohort7/config.yaml can't be read as YAML"),
        ({KEY: SHEET, "raw/cohort7/config.yaml": b"- a"}, {}, "found list; expected keys and values"),
        (
            {KEY: SHEET, "raw/cohort7/config.yaml": b"calling: {ploidy: 1}\ncalling: {}"},
            {},
            "raw/cohort7/config.yaml, line 2: calling stands on line 1 already",
        ),
        (
            {KEY: SHEET, "raw/cohort7/config.yaml": b"a: 2026-13-45"},
            {},
            "can't be read as YAML: month must be in 1..12",
        ),
        ({KEY: SHEET, "raw/cohort7/config.yaml": b"[" * 5000}, {}, "can't be read as YAML: maximum recursion"),
        *(
            (
                {
                    KEY: SHEET,
                    "raw/cohort7/config.yaml": f"calling: {{ploidy: {named}}}",
                    f"raw/cohort7/{lies}": b"evil",
                },
                {},
                f"calling.ploidy: {named}: {words}",
            )
            for named, lies, words in (
                ("workflow/Snakefile", "workflow/Snakefile", "s3://.* would replace a part of the workflow"),
                ("./workflow//Snakefile", "workflow/Snakefile", "s3://.* would replace a part of the workflow"),
                ("Workflow/Snakefile", "Workflow/Snakefile", "s3://.* would replace a part of the workflow"),
                ("envs/other.yaml", "envs/other.yaml", "s3://.* would replace a part of the workflow"),
                ("profiles", "profiles", "s3://.* would replace a part of the workflow"),
                ("config", "config", "no file can have this name"),
                ("x" * 300, "x" * 300, "no file can have this name"),
            )
        ),
        ({KEY: SHEET}, {"config": "raw/else.yaml"}, "s3://data/raw/else.yaml is missing"),
        ({KEY: b"sample\tunit\tfq1\tfq2\na\t1\t/data/a.fq\t\n"}, {}, "/data/a.fq lies on this disk"),
        ({KEY: b"sample\tunit\tfq1\tfq2\na\t1\t../a.fq\t\n"}, {}, "../a.fq lies on this disk"),
    ],
)
def test_a_wrong_sheet_or_configuration_is_refused(
    site: Site, objects: Mapping[str, Any], given: Mapping[str, Any], words: str
) -> None:
    for key, body in objects.items():
        site.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    with pytest.raises(UserError, match=words):
        start(site, published(site), **given)
    assert not site.queue.submitted and not site.keys()


@pytest.mark.parametrize("named", ["workflow/Snakefile", "./workflow/Snakefile", "../cohort7/sexes.txt", ".", "''"])
def test_only_what_was_published_is_run(site: Site, tmp_path: Path, named: str) -> None:
    config = f"reference: {{fasta: s3://data/g.fa}}\ncalling: {{ploidy: {named}}}\n"
    site.s3.put_object(Bucket=BUCKET, Key="raw/cohort7/config.yaml", Body=config)
    site.s3.put_object(Bucket=BUCKET, Key="raw/cohort7/", Body=b"made by the console")
    site.s3.put_object(Bucket=BUCKET, Key="raw/cohort7/workflow/rules.smk", Body=b"evil")
    site.s3.put_object(Bucket=BUCKET, Key=KEY, Body=SHEET)
    assert start(site, published(site)) == "head-1"
    _, files = planned(site, tmp_path)
    assert (files / "workflow/Snakefile").read_text() == "workflow/Snakefile"
    assert not (files / "workflow/rules.smk").exists()


@pytest.mark.parametrize("section", ["reference", "annotation", "calling"])
@pytest.mark.parametrize("content", ["text", [1], 2])
def test_a_section_that_is_none_is_left_to_the_workflow_s_own_checks(site: Site, section: str, content: Any) -> None:
    site.s3.put_object(Bucket=BUCKET, Key="raw/cohort7/config.yaml", Body=yaml.safe_dump({section: content}))
    site.s3.put_object(Bucket=BUCKET, Key=KEY, Body=SHEET)
    site.planned = RefusedError(f"{section}: found {content}")
    with pytest.raises(RefusedError):
        start(site, published(site))


def test_a_stack_without_a_default_configuration_wants_one(site: Site) -> None:
    (site.folder / "project/config/aws.yaml").unlink()
    site.s3.put_object(Bucket=BUCKET, Key=KEY, Body=SHEET)
    with pytest.raises(UserError, match=r"raw/cohort7/config.yaml is missing, and the stack has no default one"):
        start(site, published(site))


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("raw/a b/samples.tsv", "expected up to 40"),
        ("raw/a/b/samples.tsv", "is no sheet"),
        ("raw/a.tsv", "is no sheet"),
    ],
)
def test_keys_that_name_no_run(key: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        name_in(key)


def call(*arguments: str) -> int:
    return cli.main(["launch", "--sheet", f"s3://{BUCKET}/{KEY}", *arguments])


def test_the_command_says_how_it_went(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    publish.publish(site.s3, HEADS, site.folder / "project")
    site.s3.put_object(Bucket=BUCKET, Key=KEY, Body=SHEET)
    site.planned = RefusedError("Problems in the sample sheet: line 2")
    assert call("--started-by", "airflow") == 1
    assert "Problems in the sample sheet: line 2" in capsys.readouterr().err
    about = abouts.from_json(site.s3.get_object(Bucket=BUCKET, Key="runs/cohort7/head/run.json")["Body"].read())
    assert (about.state, about.started_by, about.exit_code) == ("failed", "airflow", 60)
    assert about.message == "Problems in the sample sheet: line 2\nNothing was submitted."

    site.planned = MissingError("Files are missing:", {"s3://data/raw/a.fq": "samples.tsv, line 2"})
    assert call() == command.LATER
    assert "s3://data/raw/a.fq: there is no such file" in capsys.readouterr().out

    site.planned = PLANNED
    assert call("--budget", "20") == 0
    assert "Run cohort7 was submitted: Batch job head-1, expected to cost $2.10." in capsys.readouterr().out
    assert call() == 0
    assert "under way (Batch job head-1" in capsys.readouterr().out and len(site.queue.submitted) == 1


@pytest.mark.parametrize(
    ("state", "job"),
    [("running", "head-1"), ("done", "head-1"), ("stopped", "head-1"), ("running", ""), ("submitted", "")],
)
def test_a_refusal_does_not_hide_a_head(site: Site, state: str, job: str) -> None:
    put(site.s3, "cohort7", dataclasses.replace(ABOUT, state=state, head_job=job))
    note_refusal(site.s3, BUCKET, KEY, "no", started_by="airflow", who="ben")
    about = abouts.from_json(site.s3.get_object(Bucket=BUCKET, Key="runs/cohort7/head/run.json")["Body"].read())
    assert (about.state, about.who) == (state, "ada")


# What `terraflow stage` writes to the inbox


def test_the_sheet_is_written_last(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(site.folder)
    Path("sexes.txt").write_text("* * * * 2\n")
    config = {**CONFIG, "calling": {"ploidy": "sexes.txt"}, "filters": {}}
    place = inbox_files.inbox(HEADS, "cohort7", True)
    assert place is not None
    keys = inbox_files.bring(site.s3, place, SHEET, config, {("reference", "fasta"): "reference/0/g.fa"})
    assert keys == ["raw/cohort7/sexes.txt", "raw/cohort7/config.yaml", "raw/cohort7/samples.tsv"]
    written = site.s3.get_object(Bucket=BUCKET, Key="raw/cohort7/config.yaml")["Body"].read().decode()
    assert written.startswith(WHOLE)
    assert yaml.safe_load(written)["reference"] == {"fasta": "s3://data/reference/0/g.fa"}
    assert site.s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].read().decode() == SHEET

    waiting = inbox_files.inbox(HEADS, "cohort8", False)
    assert waiting is not None
    assert inbox_files.bring(site.s3, waiting, SHEET, CONFIG, {}) == ["raw/cohort8/config.yaml"]


@pytest.mark.parametrize(
    ("budget", "name", "starts", "words"),
    [
        (20.0, None, True, "--run needs the name"),
        (None, "cohort7", True, "the stack's inbox is off"),
        (20.0, "a/b", False, "expected up to 40"),
    ],
)
def test_what_would_start_nothing_is_refused(budget: float | None, name: str | None, starts: bool, words: str) -> None:
    stack = dataclasses.replace(HEADS, inbox_budget=budget)
    with pytest.raises(UserError, match=words):
        inbox_files.inbox(stack, name, starts)
    assert inbox_files.inbox(stack, None, False) is None
