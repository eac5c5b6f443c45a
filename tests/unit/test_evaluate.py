import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

import evaluate

SEQUENCE = "".join(Random(7).choices("ACGT", k=1000))
DEEP, SHALLOW = 30, 5  # reads over the first and the second half of the contig
TRUTH = {
    "A": [(100, "snp", "0|1"), (200, "deletion", "1|1"), (300, "insertion", "1|0"), (700, "snp", "1|1")],
    "B": [(100, "snp", "1|1")],
}
RunMaker = Callable[..., Path]


def record(pos: int, kind: str, genotypes: list[str], status: str = "PASS") -> str:
    """Return a VCF line for a change at a 1-based position."""
    base, after = SEQUENCE[pos - 1], SEQUENCE[pos]
    other = next(b for b in "ACGT" if b not in (base, after))
    ref, alt = {"snp": (base, other), "deletion": (base + after, base), "insertion": (base, base + other)}[kind]
    return "\t".join(["c", str(pos), ".", ref, alt, "50", status, ".", "GT", *genotypes])


def write_vcf(path: Path, samples: list[str], records: list[str]) -> None:
    header = ["##fileformat=VCFv4.2", '##FILTER=<ID=LowQual,Description="x">', "##contig=<ID=c,length=1000>"]
    header += ['##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">']
    header.append("\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *samples]))
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join([*header, *records]) + "\n"
    subprocess.run(["bcftools", "view", "-Oz", "-o", str(path), "-"], input=text, text=True, check=True)


def write_alignments(run: Path, sample: str) -> None:
    """Return SAM with reads of 500 bp over both halves of the contig, and with duplicates that must not count."""
    lines = ["@HD\tVN:1.6\tSO:coordinate", "@SQ\tSN:c\tLN:1000"]
    for start, depth, flag in ((0, DEEP, 0), (500, SHALLOW, 0), (500, 40, 1024)):
        row = f"{flag}\tc\t{start + 1}\t60\t500M\t*\t0\t0\t{SEQUENCE[start : start + 500]}\t{'I' * 500}"
        lines += [f"r{start}.{flag}.{i}\t{row}" for i in range(depth)]
    path = run / "results/alignments" / f"{sample}.cram"
    path.parent.mkdir(parents=True, exist_ok=True)
    command = ["samtools", "view", "-C", "-T", str(run / "reference.fa"), "--write-index", "-o", str(path), "-"]
    subprocess.run(command, input="\n".join(lines) + "\n", text=True, check=True)


def by_pos(changes: dict[str, list[tuple[int, str, str]]]) -> list[str]:
    """Return records with the genotypes of both samples, given the alleles of each sample."""
    sites = sorted({change[:2] for own in changes.values() for change in own})
    records = []
    for pos, kind in sites:
        genotypes = [
            next((genotype for p, k, genotype in changes[sample] if (p, k) == (pos, kind)), "0/0") for sample in "AB"
        ]
        records.append(record(pos, kind, genotypes))
    return records


@pytest.fixture
def make_run(tmp_path: Path) -> RunMaker:
    """Return a function that makes a finished run with the given calls."""

    def make(calls: dict[str, list[tuple[int, str, str]]], more: tuple[str, ...] = ()) -> Path:
        run = tmp_path / "run"
        run.mkdir()
        (run / "reference.fa").write_text(f">c\n{SEQUENCE}\n")
        write_vcf(run / "truth.vcf.gz", ["A", "B"], by_pos(TRUTH))
        write_vcf(run / "results/variants/all.vcf.gz", ["A", "B"], [*by_pos(calls), *more])
        for sample in "AB":
            write_alignments(run, sample)
        for page in ("qc/multiqc.html", "report.html"):
            path = run / "results" / page
            path.parent.mkdir(exist_ok=True)
            path.write_text("x")
        return run

    return make


def without(sample: str, pos: int) -> dict[str, list[tuple[int, str, str]]]:
    return {name: [c for c in own if (name, c[0]) != (sample, pos)] for name, own in TRUTH.items()}


def test_all_found(make_run: RunMaker, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(TRUTH)
    assert evaluate.main(["--run", str(run)]) == 0
    out = capsys.readouterr().out
    assert "OK: every planted variant" in out
    assert [line.split()[:5] for line in out.splitlines() if " all " in line] == [
        ["A", "all", "4", "4", "0"],
        ["B", "all", "1", "1", "0"],
        ["total", "all", "5", "5", "0"],
    ]
    for name in ("variants/all.vcf.gz", "alignments/A.cram", "alignments/B.cram", "qc/multiqc.html", "report.html"):
        assert str(run / "results" / name) in out


def test_missed_where_covered_fails_and_names_the_place(make_run: RunMaker, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate.main(["--run", str(make_run(without("A", 200)))]) == 1
    out = capsys.readouterr().out
    ref, alt = SEQUENCE[199:201], SEQUENCE[199]
    assert f"missed: c 200 {ref} {alt} in A, depth {DEEP}" in out
    row = next(line for line in out.splitlines() if line.split()[:3] == ["A", "deletion", "hom"])
    assert row.split()[3:] == ["1", "0", "0", "1", "0", "0"]


def test_missed_with_low_coverage_is_listed_and_does_not_fail(
    make_run: RunMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate.main(["--run", str(make_run(without("A", 700)))]) == 0
    out = capsys.readouterr().out
    assert "low coverage: c 700" in out and f"in A, depth {SHALLOW}" in out
    assert "FAILED" not in out


@pytest.mark.parametrize(("pos", "depth"), [(400, DEEP), (800, SHALLOW)])
def test_extra_fails_at_any_coverage(
    make_run: RunMaker, capsys: pytest.CaptureFixture[str], pos: int, depth: int
) -> None:
    calls = {**TRUTH, "B": [*TRUTH["B"], (pos, "insertion", "0/1")]}
    assert evaluate.main(["--run", str(make_run(calls))]) == 1
    out = capsys.readouterr().out
    assert f"extra: c {pos} " in out and f"in B, depth {depth}" in out


def test_a_variant_of_the_other_sample_is_extra(make_run: RunMaker, capsys: pytest.CaptureFixture[str]) -> None:
    calls = {**TRUTH, "B": [*TRUTH["B"], (200, "deletion", "0/1")]}
    assert evaluate.main(["--run", str(make_run(calls))]) == 1
    assert "extra: c 200 " in capsys.readouterr().out


@pytest.mark.parametrize(("pos", "genotype", "code"), [(100, "1/1", 1), (700, "0/1", 0)])
def test_wrong_genotype_fails_where_covered(
    make_run: RunMaker, capsys: pytest.CaptureFixture[str], pos: int, genotype: str, code: int
) -> None:
    calls = without("A", pos)
    calls["A"].append((pos, "snp", genotype))
    assert evaluate.main(["--run", str(make_run(calls))]) == code
    assert f"wrong GT: c {pos} " in capsys.readouterr().out


def test_filtered_records_are_no_calls(make_run: RunMaker) -> None:
    filtered = record(900, "snp", ["0/1", "1/1"], "LowQual")
    assert evaluate.main(["--run", str(make_run(TRUTH, (filtered,)))]) == 0


def test_calls_match_however_they_are_written(make_run: RunMaker) -> None:
    calls = without("A", 200)
    padded = "\t".join(["c", "198", ".", SEQUENCE[197:203], SEQUENCE[197:200] + SEQUENCE[201:203]])
    more = f"{padded}\t50\tPASS\t.\tGT\t1/1\t0/0"
    assert evaluate.main(["--run", str(make_run(calls, (more,)))]) == 0


def test_per_sample_calls(make_run: RunMaker, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(TRUTH)
    (run / "results/variants/all.vcf.gz").unlink()
    for sample, own in TRUTH.items():
        records = [record(pos, kind, [genotype]) for pos, kind, genotype in own]
        write_vcf(run / f"results/variants/{sample}.vcf.gz", [sample], records)
    assert evaluate.main(["--run", str(run)]) == 0
    assert "variants/B.vcf.gz" in capsys.readouterr().out
    assert evaluate.main(["--run", str(run), "--mode", "joint"]) == 1


@pytest.mark.parametrize(
    "name",
    ["truth.vcf.gz", "results/variants/all.vcf.gz", "results/alignments/B.cram", "results/qc/multiqc.html"],
)
def test_a_missing_file_is_one_clear_line(make_run: RunMaker, capsys: pytest.CaptureFixture[str], name: str) -> None:
    run = make_run(TRUTH)
    (run / name).unlink()
    assert evaluate.main(["--run", str(run)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"{run / name} is missing" in error


def test_a_broken_file_is_one_clear_line(make_run: RunMaker, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(TRUTH)
    (run / "results/variants/all.vcf.gz").write_text("not a VCF\n")
    assert evaluate.main(["--run", str(run)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "bcftools view" in error


@pytest.mark.parametrize(("genotype", "copies"), [("0/1", 1), ("1|1", 2), ("./.", 0), ("./1", 1), ("0|0", 0), ("1", 1)])
def test_copies_of(genotype: str, copies: int) -> None:
    assert evaluate.copies_of(genotype) == copies
