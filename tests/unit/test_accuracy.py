import gzip
import json
import subprocess
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

import accuracy
from truthset.alleles import Allele, copies_of, read_alleles, read_bed
from truthset.compare import Counts, apply_alleles, clusters, compare
from truthset.folder import find_lanes, find_truth
from truthset.reads import Rewriting, fastq_records, prepare_lanes
from truthset.tools import AccuracyError
from truthset.workflow import call_file, choose_ploidy, set_key

SEQUENCE = "".join(Random(11).choices("ACGT", k=2000))
GENOME = {"c": SEQUENCE}
READ = 50


def snp(pos: int, shift: int = 1) -> Allele:
    ref = SEQUENCE[pos - 1]
    return ("c", pos, ref, "ACGT"[("ACGT".index(ref) + shift) % 4])


def write_vcf(path: Path, samples: list[str], rows: list[tuple[int, str, str, str, str]]) -> None:
    """Write a VCF of rows (pos, ref, alt, filter, genotypes separated by tabs)."""
    header = ["##fileformat=VCFv4.2", '##FILTER=<ID=LowQual,Description="x">', "##contig=<ID=c,length=2000>"]
    header += ['##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">']
    header.append("\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *samples]))
    body = [f"c\t{pos}\t.\t{ref}\t{alt}\t50\t{status}\t.\tGT\t{gts}" for pos, ref, alt, status, gts in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join([*header, *body]) + "\n"
    subprocess.run(["bcftools", "view", "-Oz", "-o", str(path), "-"], input=text, text=True, check=True)


def write_pair(folder: Path, stem: str, count: int, first: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for mate in (1, 2):
        text = "".join(
            f"@r{i} {mate}:N:0:1\n{SEQUENCE[i % 1900 : i % 1900 + READ]}\n+\n{'I' * READ}\n"
            for i in range(first, first + count)
        )
        (folder / f"{stem}_R{mate}.fastq.gz").write_bytes(gzip.compress(text.encode()))


def names(path: Path) -> list[bytes]:
    return [record[0].split()[0] for record in fastq_records(path)]


@pytest.fixture
def truth_folder(tmp_path: Path) -> Path:
    """Sample S in two lanes, 400 pairs each: depth 40."""
    folder = tmp_path / "truth"
    write_pair(folder / "lanes", "S_FC1_L1", 400)
    write_pair(folder / "lanes", "S_FC1_L2", 400, first=400)
    (folder / "ref.fa").write_text(f">c\n{SEQUENCE}\n")
    (folder / "all.bed").write_text("c\t0\t2000\n")
    (folder / "start.bed").write_text("c\t0\t500\n")
    a, b, c = snp(100), snp(600), snp(900)
    rows = [(v[1], v[2], v[3], "PASS", gt) for v, gt in ((a, "0|1"), (b, "1|1"), (c, "0|1"))]
    write_vcf(folder / "truth.vcf.gz", ["S"], rows)
    return folder


# --- scoring ---------------------------------------------------------------------------------------


def test_counts_and_ratios() -> None:
    counts = Counts(tp=8, fp=2, fn=0, wrong_genotype=4)
    assert (counts.precision, counts.recall) == (0.8, 1.0)
    assert counts.f1 == pytest.approx(16 / 18)
    strict = counts.with_genotypes()
    assert (strict.tp, strict.fp, strict.fn) == (4, 6, 4)
    assert Counts().f1 is None


def test_compare_counts_matches_wrong_genotypes_missed_and_extra_alleles() -> None:
    truth = {snp(100): 1, snp(300): 2, snp(500): 1, ("c", 700, SEQUENCE[699:702], SEQUENCE[699]): 2}
    calls = {snp(100): 1, snp(300): 1, snp(900): 1, ("c", 700, SEQUENCE[699:702], SEQUENCE[699]): 2}
    scores = compare(truth, calls, GENOME)
    assert scores["SNP"] == Counts(tp=2, fp=1, fn=1, wrong_genotype=1)
    assert scores["indel"] == Counts(tp=1)


def test_another_allele_at_the_same_place_is_missed_and_extra() -> None:
    scores = compare({snp(100): 1}, {snp(100, 2): 1}, GENOME)
    assert scores["SNP"] == Counts(fp=1, fn=1)


@pytest.mark.parametrize(("copies", "wrong"), [(2, 0), (1, 1)])
def test_alleles_that_spell_the_same_haplotype_match(copies: int, wrong: int) -> None:
    genome = {"c": "GGTTACGTCCAATT"}
    # TAC -> T and the base after it G -> C, or the deletion of ACG and an inserted C
    truth = {("c", 4, "TAC", "T"): 2, ("c", 7, "G", "C"): 2}
    calls = {("c", 4, "T", "TC"): copies, ("c", 5, "ACGT", "T"): copies}
    scores = compare(truth, calls, genome)
    assert scores["indel"] == Counts(tp=1, wrong_genotype=wrong)
    assert scores["SNP"] == Counts(tp=1, wrong_genotype=wrong)


def test_neighbours_with_another_haplotype_do_not_match() -> None:
    genome = {"c": "GGTTACGTCCAATT"}
    truth = {("c", 4, "TAC", "T"): 2, ("c", 7, "G", "C"): 2}
    calls = {("c", 4, "T", "TA"): 2, ("c", 5, "ACGT", "T"): 2}
    scores = compare(truth, calls, genome)
    assert scores["indel"] == Counts(fp=2, fn=1)
    assert scores["SNP"] == Counts(fn=1)


def test_clusters_break_at_gaps_and_contigs() -> None:
    alleles = [("c", 100, "A", "C"), ("c", 150, "A", "C"), ("c", 201, "A", "C"), ("d", 210, "A", "C")]
    assert [len(group) for group in clusters(alleles)] == [2, 1, 1]


def test_overlapping_alleles_make_no_haplotype() -> None:
    assert apply_alleles("ACGTACGT", [("c", 2, "CGT", "C"), ("c", 3, "G", "A")], 0, 8) is None
    assert apply_alleles("ACGTACGT", [("c", 2, "CGT", "C"), ("c", 6, "C", "CC")], 0, 8) == "ACACCGT"


def test_bed_edges(tmp_path: Path) -> None:
    bed = tmp_path / "x.bed"
    bed.write_text("# comment\ntrack name=x\nc\t500\t600\nc\t10\t20\textra\nc\t15\t30\n\n")
    regions = read_bed(bed)
    inside = [pos for pos in range(1, 700) if regions.hold(("c", pos, "A", "C"))]
    assert inside == [*range(11, 31), *range(501, 601)]
    assert not regions.hold(("d", 15, "A", "C"))
    bed.write_text("c\tten\t20\n")
    with pytest.raises(AccuracyError, match="line 1"):
        read_bed(bed)


def test_alleles_are_split_aligned_atomized_and_filtered(tmp_path: Path) -> None:
    sequence = "GGTCAAAAGTGTGTCCNAGGATCGT"
    reference = tmp_path / "ref.fa"
    reference.write_text(f">c\n{sequence}\n")
    rows = [
        (1, "G", "A", "LowQual", "0/1\t1/1"),
        (2, "G", "A,C", "PASS", "1/2\t0/0"),
        (6, "AAA", "AA", "PASS", "1/1\t0/1"),
        (17, "N", "A", "PASS", "1/1\t1/1"),
        (18, "AGG", "CGT", ".", "0|1\t0/0"),
        (22, "T", "A", "PASS", "./1\t./."),
    ]
    vcf = tmp_path / "x.vcf.gz"
    write_vcf(vcf, ["A", "B"], rows)
    passing = read_alleles(vcf, reference, "A", passing=True)
    assert passing == {
        ("c", 2, "G", "A"): 1,
        ("c", 2, "G", "C"): 1,
        ("c", 4, "CA", "C"): 2,
        ("c", 18, "A", "C"): 1,
        ("c", 20, "G", "T"): 1,
        ("c", 22, "T", "A"): 1,
    }
    assert read_alleles(vcf, reference, "B", passing=False) == {("c", 1, "G", "A"): 2, ("c", 4, "CA", "C"): 1}
    with pytest.raises(AccuracyError, match="no sample C"):
        read_alleles(vcf, reference, "C", passing=True)


@pytest.mark.parametrize(("genotype", "copies"), [("1", 2), ("0", 0), (".", 0), ("0/1", 1), ("1|1", 2), ("./1", 1)])
def test_copies_of(genotype: str, copies: int) -> None:
    assert copies_of(genotype) == copies


# --- truth folder and reads ------------------------------------------------------------------------


def test_lanes_of_both_layouts(truth_folder: Path) -> None:
    write_pair(truth_folder, "T", 5)
    (truth_folder / "U_R1.fq").write_text("")
    lanes = {(lane.sample, lane.unit): len(lane.files) for lane in find_lanes(truth_folder)}
    assert lanes == {("S", "FC1_L1"): 2, ("S", "FC1_L2"): 2, ("T", "L1"): 2, ("U", "L1"): 1}


@pytest.mark.parametrize("name", ["ref.fa", "truth.vcf.gz", "all.bed", "lanes/S_FC1_L1_R1.fastq.gz"])
def test_an_incomplete_truth_folder_is_one_clear_line(
    truth_folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (truth_folder / "start.bed").unlink()
    (truth_folder / name).unlink()
    assert accuracy.main([str(truth_folder), "--workdir", str(truth_folder / "work")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("accuracy.py: ") and error.count("\n") == 1


def test_untouched_reads_are_used_where_they_are(truth_folder: Path, tmp_path: Path) -> None:
    truth = find_truth(truth_folder)
    assert prepare_lanes(truth, tmp_path / "reads", Rewriting()) == list(truth.lanes)
    assert not (tmp_path / "reads").exists()


def test_thinning_keeps_mates_together_and_does_not_depend_on_lanes(truth_folder: Path, tmp_path: Path) -> None:
    truth = find_truth(truth_folder)
    separate = prepare_lanes(truth, tmp_path / "a", Rewriting(depth=10.0))
    merged = prepare_lanes(truth, tmp_path / "b", Rewriting(depth=10.0, merged=True, compression="none"))
    assert [lane.unit for lane in separate] == ["FC1_L1", "FC1_L2"]
    assert len(merged) == 1 and merged[0].files[0].suffix == ".fastq"
    kept = [name for lane in separate for name in names(lane.files[0])]
    assert kept == [name for lane in separate for name in names(lane.files[1])]
    assert kept == names(merged[0].files[0]) == names(merged[0].files[1])
    assert len(kept) * 2 * READ / len(SEQUENCE) == pytest.approx(10, rel=0.15)
    other = prepare_lanes(truth, tmp_path / "c", Rewriting(depth=10.0, merged=True, seed=2))
    assert names(other[0].files[0]) != kept


def test_a_depth_above_what_is_there_keeps_everything(truth_folder: Path, tmp_path: Path) -> None:
    truth = find_truth(truth_folder)
    lanes = prepare_lanes(truth, tmp_path / "a", Rewriting(depth=500.0, compression="bzip2"))
    assert [len(names(path)) for lane in lanes for path in lane.files] == [400] * 4
    assert {path.suffix for lane in lanes for path in lane.files} == {".bz2"}


def test_mates_out_of_step_are_an_error(truth_folder: Path, tmp_path: Path) -> None:
    path = truth_folder / "lanes/S_FC1_L1_R2.fastq.gz"
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(gzip.compress(b"".join(lines[:-4])))
    truth = find_truth(truth_folder)
    with pytest.raises(AccuracyError, match="same number of reads"):
        prepare_lanes(truth, tmp_path / "a", Rewriting(merged=True))
    path.write_bytes(gzip.compress(b"".join(lines[:-2])))
    with pytest.raises(AccuracyError, match="ends within a record"):
        prepare_lanes(truth, tmp_path / "a", Rewriting(merged=True))


# --- workflow --------------------------------------------------------------------------------------


def test_ploidy(truth_folder: Path) -> None:
    truth = find_truth(truth_folder)
    assert choose_ploidy(None, truth)[0] == 2
    assert choose_ploidy(1, truth) == (1, "as asked")
    a = snp(100)
    write_vcf(truth_folder / "truth.vcf.gz", ["S"], [(a[1], a[2], a[3], "PASS", "1")])
    assert choose_ploidy(None, truth) == (1, "the truth's genotypes are haploid")
    write_vcf(truth_folder / "truth.vcf.gz", ["S"], [(a[1], a[2], a[3], "PASS", "1/1")])
    assert choose_ploidy(None, truth)[0] == 2
    (truth_folder / "ref.fa").write_text(f">chrM x\n{SEQUENCE}\n")
    assert choose_ploidy(None, truth) == (1, "the reference is mitochondrial")


# Contig, settings of calling, the file below results/ that is scored, and the alleles that count.
SCORED: list[tuple[str, dict[str, Any], str, str]] = [
    ("chr1", {}, "variants/all.vcf.gz", ""),
    ("chr1", {"mode": "per-sample", "mitochondrion": "auto"}, "variants/S.vcf.gz", ""),
    ("chrM", {"mitochondrion": False}, "variants/all.vcf.gz", ""),
    ("chrM", {"mitochondrion": "chrM"}, "mitochondrion/all.vcf.gz", "FMT/AF>=0.5"),
]


@pytest.mark.parametrize(("contig", "calling", "name", "only"), SCORED)
def test_calls_that_are_scored(tmp_path: Path, contig: str, calling: dict[str, Any], name: str, only: str) -> None:
    (tmp_path / "ref.fa").write_text(f">{contig}\n{SEQUENCE}\n")
    path = tmp_path / "results" / name
    with pytest.raises(AccuracyError, match="left no"):
        call_file(tmp_path, {"calling": calling}, "S")
    path.parent.mkdir(parents=True)
    path.touch()
    assert call_file(tmp_path, {"calling": calling}, "S") == (path, only)


def test_alleles_that_an_expression_holds_for(truth_folder: Path, tmp_path: Path) -> None:
    a, b = snp(100), snp(120)
    write_vcf(tmp_path / "c.vcf.gz", ["S"], [(x[1], x[2], x[3], "PASS", "0/1") for x in (a, b)])
    found = read_alleles(tmp_path / "c.vcf.gz", truth_folder / "ref.fa", "S", passing=True, only=f"POS>{a[1]}")
    assert set(found) == {b}


def test_set_changes_nested_keys_and_keeps_their_types() -> None:
    config: dict[str, Any] = {"reads": {"shards": 1}, "samples": "x"}
    for assignment in ("reads.shards=5", "alignment.mark_duplicates=false", "filters.Low=QUAL < 20 = x"):
        set_key(config, assignment)
    assert config["reads"]["shards"] == 5
    assert config["alignment"]["mark_duplicates"] is False
    assert config["filters"] == {"Low": "QUAL < 20 = x"}
    for wrong in ("reads.shards", "=5", "samples.deep=1", "reads.shards=[1"):
        with pytest.raises(AccuracyError, match="--set"):
            set_key(config, wrong)


def test_the_whole_benchmark(
    truth_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def workflow(workdir: Path, cores: int, targets: set[str]) -> None:
        assert (cores, targets) == (1, {"results/variants/all.vcf.gz"})
        a, b, d = snp(100), snp(600), snp(1500)
        calls = [(a, "1/1", "PASS"), (b, "1/1", "PASS"), (snp(900), "0/1", "LowQual"), (d, "0/1", "PASS")]
        rows = [(v[1], v[2], v[3], status, genotype) for v, genotype, status in calls]
        write_vcf(workdir / "results/variants/all.vcf.gz", ["S"], rows)

    monkeypatch.setattr(accuracy, "run_workflow", workflow)
    before = sorted(truth_folder.rglob("*"))
    work, result = tmp_path / "work", tmp_path / "scores.json"
    arguments = [str(truth_folder), "--cores", "1", "--workdir", str(work), "--json", str(result)]
    assert accuracy.main([*arguments, "--set", "reads.shards=5"]) == 0
    assert sorted(truth_folder.rglob("*")) == before

    config = yaml.safe_load((work / "config.yaml").read_text())
    assert config["reads"]["shards"] == 5 and config["calling"]["ploidy"] == 2
    assert Path(config["reference"]["fasta"]).read_text() == (truth_folder / "ref.fa").read_text()
    sheet = [line.split("\t") for line in (work / "samples.tsv").read_text().splitlines()]
    assert [row[:2] for row in sheet] == [["sample", "unit"], ["S", "FC1_L1"], ["S", "FC1_L2"]]
    assert all(Path(name).is_file() for row in sheet[1:] for name in row[2:])

    scores = {(row["bed"], row["type"]): row for row in json.loads(result.read_text())}
    whole = scores["all", "SNP"]
    assert (whole["tp"], whole["fp"], whole["fn"]) == (2, 1, 1)
    assert whole["precision"] == pytest.approx(2 / 3)
    strict = whole["genotypes"]
    assert (strict["tp"], strict["fp"], strict["fn"]) == (1, 2, 2)
    start = scores["start", "SNP"]
    assert (start["tp"], start["fp"], start["fn"]) == (1, 0, 0)
    assert scores["all", "indel"]["f1"] is None
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["S", "all", "SNP", "allele", "2", "1", "1", "0.6667", "0.6667", "0.6667"] in lines
    assert ["S", "all", "SNP", "genotype", "1", "2", "2", "0.3333", "0.3333", "0.3333"] in lines


def test_a_failing_workflow_is_one_clear_line(
    truth_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.executable", "false")
    assert accuracy.main([str(truth_folder), "--cores", "1", "--workdir", str(tmp_path / "work")]) == 1
    assert capfd.readouterr().err == "accuracy.py: the workflow failed; its messages are above\n"
