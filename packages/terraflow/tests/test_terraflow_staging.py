"""Plans of `terraflow stage`: which file it would send where, and how sheet and configuration read afterwards."""

import dataclasses
import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from terraflow import approval, stage, staging
from terraflow.errors import UserError, explain_aws
from terraflow.staging import Plan
from terraflow_workflow.inputs.samples import Unit


def unit(line: int, fq1: str, fq2: str = "", sample: str = "S1", name: str = "L1") -> Unit:
    return Unit(sample=sample, unit=name, fq1=fq1, fq2=fq2, library="", platform="", sex="", line=line)


def config(fasta: str = "genome.fa", gff: str = "", bwa_index: str = "build") -> dict[str, Any]:
    return {"reference": {"fasta": fasta, "bwa_index": bwa_index}, "annotation": {"gff": gff}}


def digest(path: Path) -> str:
    """Return the digest of a file that need not exist: two have one content if they have one name without folder."""
    return hashlib.sha256(path.name.encode()).hexdigest()


def short(*names: str) -> str:
    whole = "\n".join(map(digest, map(Path, names))).encode()
    return (digest(Path(names[0])) if len(names) == 1 else hashlib.sha256(whole).hexdigest())[:16]


def plan_of(units: list[Unit], settings: dict[str, Any]) -> Plan:
    return staging.plan(units, settings, digest)


def keys(plan: Plan) -> dict[str, str]:
    return {item.key: str(item.path) for item in plan.items}


def test_a_key_says_whose_file_it_is_and_what_it_contains() -> None:
    units = [
        unit(2, "a/1.fq.gz", "b/2.fq.gz"),
        unit(3, "c/1.fq.gz", name="L2"),
        unit(4, "/d/Blüte 1.fastq", sample="S2"),
    ]
    assert keys(plan_of(units, config("g/genome.fa"))) == {
        f"raw/S1/L1/{short('1.fq.gz')}/1.fq.gz": "a/1.fq.gz",
        f"raw/S1/L1/{short('2.fq.gz')}/2.fq.gz": "b/2.fq.gz",
        f"raw/S1/L2/{short('1.fq.gz')}/1.fq.gz": "c/1.fq.gz",
        f"raw/S2/L1/{short('Blüte 1.fastq')}/Blüte 1.fastq": "/d/Blüte 1.fastq",
        f"reference/{short('genome.fa')}/genome.fa": "g/genome.fa",
    }


def test_files_of_one_name_and_other_content_have_places_of_their_own() -> None:
    def by_path(path: Path) -> str:
        return hashlib.sha256(str(path).encode()).hexdigest()

    plan = staging.plan(
        [unit(2, "a/x.fq", "b/x.fq"), unit(3, "c/x.fq", name="L2")], config("a/g.gz", "b/g.gz"), by_path
    )
    assert sorted(map(str, keys(plan).values())) == ["a/g.gz", "a/x.fq", "b/g.gz", "b/x.fq", "c/x.fq"]
    assert plan.fastqs[2, "fq1"] != plan.fastqs[2, "fq2"]
    assert plan.settings["reference", "fasta"] != plan.settings["annotation", "gff"]


def test_a_file_keeps_the_name_that_it_has_already() -> None:
    plan = plan_of([unit(2, "a/x.fq", "b/x.fq"), unit(3, "c/y.fq", name="L2")], config("g.fa"))
    assert [item.earlier_key for item in plan.items] == [
        "raw/S1/L1/fq1/x.fq",
        "raw/S1/L2/y.fq",
        "reference/g.fa",
    ]
    there = [item for item in plan.items if item.earlier_key != "raw/S1/L2/y.fq"]
    kept = staging.with_earlier_keys(plan, there)
    assert kept.settings == {("reference", "fasta"): "reference/g.fa"}
    assert kept.fastqs[2, "fq1"] == "raw/S1/L1/fq1/x.fq"
    assert kept.fastqs[3, "fq1"] == f"raw/S1/L2/{short('y.fq')}/y.fq"
    assert [item.key for item in kept.items] == [*dict.fromkeys([*kept.fastqs.values(), *kept.settings.values()])]


def test_an_index_of_which_a_part_is_there_stays_together() -> None:
    plan = plan_of([], config("ref/g.fa", bwa_index="prebuilt"))
    assert staging.with_earlier_keys(plan, plan.items[:-1]) == plan
    kept = staging.with_earlier_keys(plan, plan.items)
    assert {item.key for item in kept.items} == {item.earlier_key for item in plan.items}
    assert kept.items == tuple(dataclasses.replace(item, key=item.earlier_key) for item in plan.items)


def test_the_index_comes_along_only_where_it_is_used() -> None:
    suffixes = (".amb", ".ann", ".bwt", ".pac", ".sa")
    built = plan_of([], config("ref/g.fa", "ref/g.gff"))
    assert set(keys(built)) == {f"reference/{short('g.fa')}/g.fa", f"reference/{short('g.gff')}/g.gff"}
    prebuilt = plan_of([], config("ref/g.fa", bwa_index="prebuilt"))
    folder = f"reference/{short(*(f'g.fa{end}' for end in ('', *suffixes)))}"
    assert keys(prebuilt) == {f"{folder}/g.fa{end}": f"ref/g.fa{end}" for end in ("", *suffixes)}


def test_addresses_stay() -> None:
    addresses = ["s3://b/a.fq", "https://example.org/b.fq", "s3://b/g.fa"]
    plan = plan_of([unit(2, *addresses[:2])], config(addresses[2], bwa_index="prebuilt"))
    assert plan.items == () and plan.fastqs == {} and plan.settings == {}
    assert list(plan.remote) == addresses


def test_the_sheet_keeps_everything_else() -> None:
    text = "\n".join(
        [
            "# by hand",
            "unit\tfq2\tsample\tlibrary\tfq1",
            "L1\t\tS1\tlib 1\t a.fq ",
            "",
            "L2\tc.fq\tS1\t\ts3://else/b.fq",
            "L3\t\tS2",
        ]
    )
    plan = Plan((), {(3, "fq1"): "raw/S1/L1/a.fq", (5, "fq2"): "raw/S1/L2/c.fq"}, {}, ())
    assert staging.rewritten_sheet(text, "my.tsv", plan, "data").splitlines() == [
        f"{staging.WRITTEN_BY} from my.tsv",
        "# by hand",
        "unit\tfq2\tsample\tlibrary\tfq1",
        "L1\t\tS1\tlib 1\ts3://data/raw/S1/L1/a.fq",
        "",
        "L2\ts3://data/raw/S1/L2/c.fq\tS1\t\ts3://else/b.fq",
        "L3\t\tS2\t\t",
    ]


@pytest.mark.parametrize("own", [{}, {"reference": None, "samples": "old.tsv"}, {"reference": {"bwa_index": "build"}}])
def test_the_configuration_names_the_new_places(own: dict[str, Any]) -> None:
    before = yaml.safe_dump(own)
    plan = Plan((), {}, {("reference", "fasta"): "reference/Blüte.fa"}, ())
    text = staging.rewritten_config(own, Path("my.yaml"), "new.tsv", plan, "data")
    assert "Blüte" in text
    written = yaml.safe_load(text)
    kept = (own.get("reference") or {}) | {"fasta": "s3://data/reference/Blüte.fa"}
    assert written == {"samples": "new.tsv", "reference": kept}
    assert yaml.safe_dump(own) == before


def test_what_somebody_else_wrote_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "config" / "aws.yaml"
    staging.write(file, f"{staging.WRITTEN_BY}\na: 1\n")
    staging.write(file, f"{staging.WRITTEN_BY}\na: 2\n")
    assert file.read_text().endswith("a: 2\n")
    file.write_text("mine: true\n")
    with pytest.raises(UserError, match="was not written by terraflow stage"):
        staging.write(file, f"{staging.WRITTEN_BY}\n")
    assert file.read_text() == "mine: true\n"
    assert [path.name for path in file.parent.iterdir()] == ["aws.yaml"]
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="can't be written"):
        staging.write(tmp_path / "file" / "below", "")


def test_what_workers_read_lies_below_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (tmp_path / "link").symlink_to(here)
    monkeypatch.chdir(tmp_path / "link")
    assert stage._default_out(Path("config/lanes.tsv")) == Path("config/lanes.s3.tsv")
    assert stage._default_out(here / "lanes.tsv") == here / "lanes.s3.tsv"
    assert stage._default_out(tmp_path / "lanes.tsv") == Path("config/lanes.s3.tsv")
    stage._refuse_outside(Path("a.tsv"), Path("config/aws.yaml"), 2)
    with pytest.raises(UserError, match=r"below the working directory(.|\n)*calling.ploidy: /etc/ploidy"):
        stage._refuse_outside(Path("a.tsv"), Path("config/aws.yaml"), "/etc/ploidy")


@pytest.mark.parametrize(
    ("environment", "approved", "terminal", "typed", "words"),
    [
        ({}, True, False, "", None),
        ({"YES": "1"}, False, False, "", None),
        ({"YES": "0"}, False, False, "", "no terminal to ask on"),
        ({}, False, True, "yes", None),
        ({}, False, True, "no", "Nothing was changed"),
        ({}, False, True, "", "Nothing was changed"),
    ],
)
def test_nothing_changes_without_a_word(
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    approved: bool,
    terminal: bool,
    typed: str,
    words: str | None,
) -> None:
    monkeypatch.delenv("YES", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: terminal))
    monkeypatch.setattr("builtins.input", lambda question: typed)
    if words is None:
        approval.confirm("Do it?", "yes", approved=approved)
    else:
        with pytest.raises(UserError, match=words):
            approval.confirm("Do it?", "yes", approved=approved)


def test_errors_of_aws_are_told_in_words() -> None:
    from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

    assert explain_aws(ValueError("x")) is None
    assert "set AWS_PROFILE" in str(explain_aws(NoCredentialsError()))
    expired = ClientError({"Error": {"Code": "ExpiredToken", "Message": "late"}}, "PutObject")
    assert "Sign in anew" in str(explain_aws(expired))
    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "PutObject")
    assert "submit policy" in str(explain_aws(denied))
    assert "does not answer" in str(explain_aws(EndpointConnectionError(endpoint_url="http://a")))
    for code, words in (("NoSuchBucket", "make deploy"), ("403", "submit policy"), ("RequestTimeTooSkewed", "clock")):
        assert words in str(explain_aws(ClientError({"Error": {"Code": code, "Message": "no"}}, "HeadObject")))
