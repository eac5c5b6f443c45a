"""The configuration: its defaults, its documentation, and the message for each mistake."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake.utils import validate

from terraflow_workflow.inputs.settings import (
    load_schema,
    problem_of_file,
    problem_of_local_file,
    problems_of_config,
    problems_of_files,
    problems_of_filters,
    problems_of_missing,
    problems_of_repeated_keys,
    tidy,
)

LEAST = "samples: s.tsv\nreference: {fasta: g.fa}\n"


def problems(text: str) -> list[str]:
    """Return the problems of a configuration with the required keys and those in `text`."""
    config = yaml.safe_load(LEAST) | yaml.safe_load(text)
    tidy(config)
    return problems_of_config(config)


def with_defaults(config: dict[str, Any], root: Path) -> dict[str, Any]:
    validate(config, str(root / "workflow/lib/terraflow_workflow/schemas/config.schema.yaml"))
    return config


def keys(schema: dict[str, Any], prefix: str = "") -> list[str]:
    """Dotted names of all keys that hold a value and not a section."""
    return [
        key
        for name, part in schema["properties"].items()
        for key in (keys(part, f"{prefix}{name}.") if "properties" in part else [prefix + name])
    ]


def value_of(config: dict[str, Any], key: str) -> object:
    value: Any = config
    for part in key.split("."):
        value = value[part]
    return value


def test_the_shipped_file_holds_every_key_with_its_default(root: Path) -> None:
    shipped = yaml.safe_load((root / "config/config.yaml").read_text())
    least = {"samples": shipped["samples"], "reference": {"fasta": shipped["reference"]["fasta"]}}
    assert with_defaults(least, root) == shipped
    assert sorted(key for key in keys(load_schema("config"))) == sorted(keys_of_values(shipped))


def keys_of_values(config: dict[str, Any], prefix: str = "") -> list[str]:
    return [
        key
        for name, value in config.items()
        for key in (keys_of_values(value, f"{prefix}{name}.") if isinstance(value, dict) else [prefix + name])
    ]


@pytest.mark.parametrize("file", ["config/config.yaml", "config/example/config.yaml"])
def test_shipped_configurations_are_good(root: Path, file: str) -> None:
    assert problems_of_config(yaml.safe_load((root / file).read_text())) == []


def test_the_documented_table_has_every_key_and_its_default(root: Path) -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| (.+?) \|", (root / "config/README.md").read_text(), flags=re.MULTILINE)
    documented = {key: default for key, default in rows if "." in key or key == "samples"}
    config = yaml.safe_load((root / "config/config.yaml").read_text())
    assert re.findall(r"`(\w+)`", documented.pop("filters.NAME")) == list(config["filters"])
    assert set(documented) == {key for key in keys(load_schema("config")) if not key.startswith("filters.")}
    for key, default in documented.items():
        if default.startswith("`"):
            assert yaml.safe_load(default.strip("`")) == value_of(config, key), key


def test_every_key_says_what_is_expected_and_what_it_means() -> None:
    def parts(schema: dict[str, Any]) -> list[dict[str, Any]]:
        found = list(schema.get("properties", {}).values())
        return found + [inner for part in found for inner in parts(part)]

    for part in parts(load_schema("config")):
        assert part.get("expected"), part
        assert "description" in part or part["expected"].startswith("a bcftools expression")


@pytest.mark.parametrize(
    "text",
    [
        "calling:",
        "filters:",
        "annotation: {gff: null}",
        "calling: {windows: null, mode: null}",
        "filters: {LowQual: null}",
        "reads:\nquality:\nalignment:",
    ],
)
def test_nothing_written_behind_a_key_means_its_default(root: Path, text: str) -> None:
    config = yaml.safe_load(LEAST) | yaml.safe_load(text)
    tidy(config)
    assert problems_of_config(config) == []
    assert with_defaults(config, root) == with_defaults(yaml.safe_load(LEAST), root)


def test_a_section_that_is_written_twice_is_named() -> None:
    """YAML takes the last one: this genome would be called as a diploid one."""
    text = "calling:\n  ploidy: 1\n  mode: joint\n  'mode': joint\nreads: {}\ncalling: {windows: 2}\n"
    end = "already; expected it once: what the first one says would be without effect"
    assert problems_of_repeated_keys(text, "c.yaml") == [
        f"c.yaml, line 4: calling.mode stands on line 3 {end}",
        f"c.yaml, line 6: calling stands on line 1 {end}",
    ]
    assert problems_of_repeated_keys(b'{"calling": {"windows": 1,\n"windows": 2}}', "c.json") == [
        f"c.json, line 2: calling.windows stands on line 1 {end}"
    ]
    # Once, however many aliases lead there.
    assert problems_of_repeated_keys("a: &a {k: 1, k: 2}\nb: *a\n", "c.yaml") == [
        f"c.yaml, line 1: a.k stands on line 1 {end}"
    ]


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", "[{a: 1}, {a: 1}]", "a: &a {x: 1}\nb: &b {x: 1}\nc: {<<: *a, <<: *b, a: 1}", "a: [", "[" * 5000),
        *("a: &a {b: *a}", "? {a: 1}\n: 2\n? {a: 1}\n: 3", "{" * 300 + "}" * 300),
        "a0: &a0 {x: 1}\n" + "".join(f"a{n + 1}: &a{n + 1} {{l: *a{n}, r: *a{n}}}\n" for n in range(99)),
    ],
)
def test_text_that_repeats_no_key_or_is_no_yaml_has_no_such_problem(text: str) -> None:
    assert problems_of_repeated_keys(text, "c.yaml") == []


def test_text_becomes_the_number_or_truth_that_is_wanted() -> None:
    config: dict[str, Any] = {
        "samples": "5",
        "alignment": {"mark_duplicates": "false", "format": "bam"},
        "calling": {"windows": "16", "ploidy": "1", "prior": "0.01", "mode": "joint", "max_depth": "many", "nope": "1"},
        "filters": {"LowQual": "1", "Mine": "0"},
        "annotation": {"gff": "1"},
    }
    tidy(config)
    assert config == {
        "samples": "5",
        "alignment": {"mark_duplicates": False, "format": "bam"},
        "calling": {"windows": 16, "ploidy": 1, "prior": 0.01, "mode": "joint", "max_depth": "many", "nope": "1"},
        "filters": {"LowQual": "1", "Mine": "0"},
        "annotation": {"gff": "1"},
    }
    other: dict[str, Any] = {"calling": {"ploidy": "p: [", "windows": "true"}}
    tidy(other)
    assert other == {"calling": {"ploidy": "p: [", "windows": True}}


def test_a_power_of_ten_is_a_number_where_one_is_wanted() -> None:
    config = yaml.safe_load(f"{LEAST}\ncalling: {{prior: 1e-3, ploidy: 1e0}}\nfilters: {{Mine: 1e-3}}")
    tidy(config)
    assert config["calling"] == {"prior": 0.001, "ploidy": "1e0"}
    assert config["filters"] == {"Mine": "1e-3"}
    too_large = yaml.safe_load(f"{LEAST}\ncalling: {{prior: 1e3}}")
    tidy(too_large)
    assert problems_of_config(too_large) == [
        "calling.prior: found 1000.0; expected a number above 0 and below 1, such as 0.005"
    ]


def test_a_needed_key_with_nothing_behind_it_is_missing() -> None:
    assert problems("samples:\nreference: {fasta: null}") == [
        "samples: is missing; expected the path of a tab-separated sample sheet, such as config/samples.tsv",
        "reference.fasta: is missing; expected a path, s3:// or https:// address of a FASTA file",
    ]
    assert problems("reference:") == ["reference: is missing; expected a section with the key `fasta`"]


WHOLE = "a whole number from 1 to"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("calling: {window: 3}", "calling.window: is not a key of the configuration; did you mean `windows`?"),
        ("quality: {zzz: 3}", "quality.zzz: is not a key of the configuration; known are: coverage_windows"),
        ("1: x", "1: is not a key of the configuration; known are: "),
        ("samples: 5", "samples: found 5; expected the path of a tab-separated sample sheet"),
        ("samples: ''", "samples: found ''; expected the path"),
        ("samples: [a.tsv]", "samples: found ['a.tsv']; expected the path"),
        ("reference: g.fa", "reference: found 'g.fa'; expected a section with the key `fasta`"),
        ("reference: {fasta: g.fa, bwa_index: yes}", "reference.bwa_index: found True; expected `build` or `prebuilt`"),
        ("reads: {shards: 0}", f"reads.shards: found 0; expected {WHOLE} 1000"),
        ("reads: {shards: 1001}", f"reads.shards: found 1001; expected {WHOLE} 1000"),
        ("reads: {shards: two}", f"reads.shards: found 'two'; expected {WHOLE} 1000"),
        ("calling: {windows: 0}", f"calling.windows: found 0; expected {WHOLE} 10000"),
        ("calling: {windows: -3}", f"calling.windows: found -3; expected {WHOLE} 10000"),
        ("calling: {windows: true}", f"calling.windows: found True; expected {WHOLE} 10000"),
        ("calling: {windows: 2.0}", f"calling.windows: found 2.0; expected {WHOLE} 10000"),
        ("calling: {windows: '2.0'}", f"calling.windows: found 2.0; expected {WHOLE} 10000"),
        ("quality: {coverage_windows: 0}", f"quality.coverage_windows: found 0; expected {WHOLE} 100000"),
        ("calling: 7", "calling: found 7; expected a section with the keys `mode`"),
        ("calling: []", "calling: found []; expected a section with the keys `mode`"),
        ("calling: {mode: single}", "calling.mode: found 'single'; expected `joint` or `per-sample`"),
        ("calling: {ploidy: 3}", "calling.ploidy: found 3; expected 1, 2 or the path"),
        ("calling: {ploidy: '3'}", "calling.ploidy: found 3; expected 1, 2 or the path"),
        ("calling: {ploidy: 2.0}", "calling.ploidy: found 2.0; expected 1, 2 or"),
        ("calling: {ploidy: true}", "calling.ploidy: found True; expected 1, 2 or"),
        ("calling: {ploidy: ''}", "calling.ploidy: found ''; expected 1, 2 or"),
        ("calling: {max_depth: 0}", "calling.max_depth: found 0; expected a whole number from 1"),
        ("calling: {max_depth: 2147483648}", "calling.max_depth: found 2147483648; expected a whole number from 1"),
        ("calling: {min_mapping_quality: 61}", "calling.min_mapping_quality: found 61; expected a whole number from 0"),
        ("calling: {prior: 0}", "calling.prior: found 0; expected a number above 0 and below 1"),
        ("calling: {prior: 'high'}", "calling.prior: found 'high'; expected a number above 0 and below 1"),
        ("calling: {prior: .nan}", "calling.prior: found nan; expected a number above 0 and below 1"),
        ("calling: {prior: .inf}", "calling.prior: found inf; expected a number above 0 and below 1"),
        ("alignment: {format: sam}", "alignment.format: found 'sam'; expected `cram` or `bam`"),
        ("alignment: {mark_duplicates: 'never'}", "alignment.mark_duplicates: found 'never'; expected `true` or"),
        ("alignment: {mark_duplicates: 0}", "alignment.mark_duplicates: found 0; expected `true` or `false`"),
        ("filters: QUAL<20", "filters: found 'QUAL<20'; expected names with bcftools expressions"),
        ("filters: {LowQual: 20}", "filters.LowQual: found 20; expected a bcftools expression in quotes"),
        ("filters: {Mine: 20}", "filters.Mine: found 20; expected a bcftools expression in quotes"),
        ("filters: {PASS: QUAL<2}", "filters.PASS: can't be a name here; expected a name of letters"),
        ("filters: {a b: QUAL<2}", "filters.a b: can't be a name here; expected a name of letters"),
        ("filters: {1: QUAL<2}", "filters.1: can't be a name here; expected a name of letters"),
        ("annotation: {gff: true}", "annotation.gff: found True; expected a path, s3:// or https:// address of a GFF3"),
    ],
)
def test_one_message_says_key_value_and_what_is_expected(text: str, message: str) -> None:
    found = problems(text)
    assert len(found) == 1
    assert found[0].startswith(message)


@pytest.mark.parametrize(
    ("text", "samples", "refused"),
    [
        ("filters: {IndelFraction: IMF < 0.15}", 2, True),
        ("{filters: {Gaps: 'INFO/IMF < 0.1'}, calling: {indels: consensus, mode: joint}}", 2, True),
        ("{filters: {IndelFraction: IMF < 0.15}, calling: {indels: classic}}", 2, False),
        ("{filters: {IndelFraction: IMF < 0.15}, calling: {mode: per-sample}}", 2, False),
        ("filters: {IndelFraction: ''}", 2, False),
        ("filters: {IndelFraction: IMF < 0.15}", 1, False),
    ],
)
def test_a_filter_by_the_share_of_gaps_is_refused_where_it_is_of_several_samples(
    text: str, samples: int, refused: bool
) -> None:
    found = problems_of_filters(yaml.safe_load(text), samples)
    assert problems(text) == []
    assert len(found) == refused
    assert all(line.startswith("filters.") and "calling.indels: classic" in line for line in found)


def test_all_problems_are_found_at_once() -> None:
    assert [line.split(":")[0] for line in problems("calling: {windows: 0, mode: x, foo: 1}\nbar: 2")] == [
        "bar",
        "calling.foo",
        "calling.mode",
        "calling.windows",
    ]


@pytest.mark.parametrize("text", ["calling: {ploidy: 1}", "calling: {ploidy: p.txt}", "filters: {LowQual: ''}"])
def test_allowed_values_are_taken(text: str) -> None:
    assert problems(text) == []


def test_each_way_a_file_can_be_unreadable(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "good").write_text("x")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "link").symlink_to(tmp_path / "good")
    for name, problem in {
        "none": "no such file",
        "": "is a folder",
        "empty": "is empty (0 bytes)",
        "good": None,
        "link": None,
        "good/below": "can't be read (Not a directory)",
        "loop": "can't be read (Too many levels of symbolic links)",
        "x" * 300: "can't be read (File name too long)",
        "a\0b": "can't be the path of a file",
    }.items():
        assert problem_of_file(str(tmp_path / name)) == problem, name
        if problem != "no such file":
            assert problem_of_file(str(tmp_path / name), may_miss=True) == problem, name
    assert problem_of_file("/dev/null") == "is not a file"
    assert problem_of_file(str(tmp_path / "none"), may_miss=True) is None


def test_missing_files_that_nobody_makes_are_named(tmp_path: Path) -> None:
    (tmp_path / "good").write_text("x")
    names = ["good", "none", "made"]
    inputs = [(f"line {number}", f"{tmp_path}/{name}") for number, name in enumerate(names)]
    found = problems_of_missing([*inputs, ("samples", "s3://a/b")], lambda path: path.endswith("made"))
    assert found == [f"line 1: {tmp_path}/none: no such file, and no rule makes it"]


def test_a_path_that_snakemake_takes_for_a_pattern_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a{b}.fq").write_text("x")
    for path in (str(tmp_path / "a{b}.fq"), "https://host/{b}.fq"):
        assert problem_of_file(path) == "holds { or }, which Snakemake can't take; give a link without it"


def test_an_address_is_good_where_a_plugin_reads_it() -> None:
    assert problem_of_file("s3://bucket/key") is None
    assert problem_of_file("https://host/a.fq.gz") is None
    assert problem_of_file("ftp://host/a.fq.gz") == "is an address of another kind than s3:// and https://"
    assert problem_of_local_file("https://host/a.tsv") == "no such file"


def test_files_of_the_configuration_that_cant_be_read_are_all_named(tmp_path: Path, root: Path) -> None:
    fasta = tmp_path / "g.fa"
    fasta.write_text(">a\nA\n")
    (tmp_path / "g.fa.amb").write_text("1")
    (tmp_path / "g.gff").touch()
    config = with_defaults(
        {
            "samples": "s",
            "reference": {"fasta": str(fasta), "bwa_index": "prebuilt"},
            "annotation": {"gff": f"{tmp_path}/g.gff"},
        },
        root,
    )
    what = "expected a file that `bwa index` wrote; `build` makes them"
    assert problems_of_files(config) == [
        *(
            f"reference.bwa_index: prebuilt: {fasta}{ext}: no such file; {what}"
            for ext in (".ann", ".bwt", ".pac", ".sa")
        ),
        f"annotation.gff: {tmp_path}/g.gff: is empty (0 bytes); expected a GFF3 file, or an empty string for none",
    ]
    (tmp_path / "g.fa.bwt").write_text("1")
    (tmp_path / "g.fa.sa").write_text("1")
    config["alignment"]["aligner"] = "bwa-mem2"
    what = "expected a file that `bwa-mem2 index` wrote; `build` makes them"
    assert problems_of_files(config)[:-2] == [
        f"reference.bwa_index: prebuilt: {fasta}{ext}: no such file; {what}"
        for ext in (".ann", ".bwt.2bit.64", ".pac", ".0123")
    ]
    assert problems_of_files(config)[-1] == (
        f"alignment.aligner: bwa-mem2: {fasta}.bwt and {fasta}.sa are of an index of bwa: say alignment.aligner: bwa, "
        "or bwa_index: build"
    )
    config["reference"]["bwa_index"] = "build"
    config["annotation"]["gff"] = ""
    assert problems_of_files(config) == []
    fasta.unlink()
    assert problems_of_files(config) == [f"reference.fasta: {fasta}: no such file; expected a FASTA file"]
