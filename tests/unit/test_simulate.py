import gzip
import hashlib
import itertools
import subprocess
from pathlib import Path
from random import Random

import pytest

import simulate
from simulation.files import fasta
from simulation.genome import STOP_CODONS, Contig, Gene, make_reference
from simulation.plan import DEMO, SAMPLES, SMALL
from simulation.reads import (
    DUPLICATE_RATE,
    FRAGMENT_MEAN,
    Haplotype,
    Sequencer,
    draw_fragment,
    draw_fragments,
    haplotype,
)
from simulation.sequence import overlaps, random_bases, reverse_complement
from simulation.variants import Site, left_align, plant_variants, shift_room, stands_out

REPOSITORY = Path(__file__).resolve().parents[2]


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder, by relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def contents(folder: Path) -> dict[str, bytes]:
    """Read every file below a folder, gzip ones decompressed, but no index, which holds offsets of compressed data."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".tbi")
    return {
        str(path.relative_to(folder)): gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for path in files
    }


def tool(*command: str | Path) -> str:
    return subprocess.run([*map(str, command)], check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("small")
    assert simulate.main(["--out", str(out), "--small", "--seed", "5"]) == 0
    return out


@pytest.fixture(scope="module")
def demo() -> tuple[list[Contig], list[Gene], list[Site]]:
    """Make reference, genes and variants of the full plan, without its reads."""
    contigs, genes = make_reference(Random(3), DEMO)
    return contigs, genes, plant_variants(Random(4), DEMO, contigs, genes)


def test_same_seed_same_bytes_and_another_seed_other_reads(small: Path, tmp_path: Path) -> None:
    simulate.main(["--out", str(tmp_path / "again"), "--small", "--seed", "5"])
    simulate.main(["--out", str(tmp_path / "other"), "--small", "--seed", "6"])
    assert digests(tmp_path / "again") == digests(small)
    other = digests(tmp_path / "other")
    same = {name for name, digest in digests(small).items() if other[name] == digest}
    assert same == {"samples.tsv", "config.yaml"}


def test_gzip_files_carry_no_time(small: Path) -> None:
    for path in small.rglob("*.gz"):
        assert path.read_bytes()[4:8] == bytes(4), path


def test_committed_example_is_what_its_command_makes(tmp_path: Path) -> None:
    simulate.main(["--out", str(tmp_path / "config/example"), "--small", "--relative-to", str(tmp_path)])
    assert contents(tmp_path / "config/example") == contents(REPOSITORY / "config/example")


def test_plan_has_the_sorts_of_lanes_that_are_promised() -> None:
    lanes = DEMO.lanes
    assert [lane.paired for lane in lanes if lane.sample == "sampleA"] == [True, True]
    assert [lane.paired for lane in lanes if lane.sample == "sampleB"] == [False]
    assert {lane.suffix for lane in lanes} == {".gz", ".bz2"}


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ((5, "A", "C"), (5, "A", "C")),
        ((6, "AA", "A"), (3, "CA", "C")),
        ((7, "A", "AA"), (3, "C", "CA")),
        ((11, "TGT", "T"), (7, "AGT", "A")),
    ],
)
def test_left_align(variant: tuple[int, str, str], expected: tuple[int, str, str]) -> None:
    #           0123456789012345
    sequence = "GGTCAAAAGTGTGTCC"
    assert left_align(sequence, *variant) == expected


def test_shift_room_counts_the_bases_an_indel_can_slide() -> None:
    sequence = "GGTCAAAAGTGTGTCC"
    assert shift_room(sequence, 3, "CA", "C") == 3
    assert shift_room(sequence, 3, "C", "CA") == 4
    assert shift_room(sequence, 7, "AGT", "A") == 4
    assert shift_room(sequence, 5, "A", "C") == 0


@pytest.mark.parametrize(
    ("sequence", "expected"),
    [
        ("CAGTTCAGGA" + "TATGAC" + "GCTCTTAGCA", True),
        ("CAGTTCAGGA" + "TATGAC" + "TGTGACTAAA", False),
        ("CAGTTACGAC" + "TATGAT" + "GCTCTTAGCA", True),
        ("CATCTATGCT" + "TATGCA" + "GCTCTTAGCA", False),
    ],
)
def test_a_deletion_must_differ_from_its_flanks(sequence: str, expected: bool) -> None:
    assert stands_out(sequence, 9, sequence[9:16], sequence[9], 0) is expected


def test_truth_agrees_with_the_reference_and_is_normalised(small: Path, tmp_path: Path) -> None:
    reference = tmp_path / "reference.fa"
    reference.write_bytes(gzip.decompress((small / "reference.fa.gz").read_bytes()))
    truth = small / "truth.vcf.gz"
    again = tool("bcftools", "norm", "-c", "e", "-m", "-any", "-f", reference, truth)
    records = [line for line in again.splitlines() if not line.startswith("#")]
    assert records == tool("bcftools", "view", "-H", truth).splitlines()
    assert len(records) == SMALL.snps + SMALL.insertions + SMALL.deletions + 2
    assert tool("bcftools", "index", "--nrecords", truth).strip() == str(len(records))


def test_haplotypes_are_those_that_the_truth_describes(small: Path, tmp_path: Path) -> None:
    contigs, genes = make_reference(Random("5/reference"), SMALL)
    sites = plant_variants(Random("5/variants"), SMALL, contigs, genes)
    reference = tmp_path / "reference.fa"
    reference.write_text(fasta(contigs))
    for number, sample in enumerate(SAMPLES):
        for copy in (0, 1):
            made = tool(
                "bcftools", "consensus", "-s", sample, "-H", str(copy + 1), "-f", reference, small / "truth.vcf.gz"
            )
            expected = "".join(made.splitlines()[1:])
            assert haplotype("".join(contigs[0].bases), sites, number, copy).sequence == expected


def test_variants_keep_their_distance_from_each_other_and_from_repeats(
    demo: tuple[list[Contig], list[Gene], list[Site]],
) -> None:
    contigs, _, sites = demo
    for contig in contigs:
        mine = [site for site in sites if site.contig == contig.name]
        for one, other in itertools.pairwise(mine):
            assert other.pos - (one.pos + len(one.ref)) >= 50
        for site in mine:
            assert not overlaps(site.pos, site.pos + len(site.ref), contig.ambiguous)
            assert 300 < site.pos < len(contig.bases) - 300


def test_every_sort_of_variant_is_planted_in_both_samples(
    demo: tuple[list[Contig], list[Gene], list[Site]],
) -> None:
    sites = demo[2]
    seen = {
        (sample, (len(site.alts[0]) > len(site.ref)) - (len(site.alts[0]) < len(site.ref)), genotype[0] == genotype[1])
        for site in sites
        for sample, genotype in enumerate(site.genotypes)
        if any(genotype)
    }
    assert seen == set(itertools.product((0, 1), (-1, 0, 1), (True, False)))
    assert any(len(site.alts) == 2 for site in sites)
    assert any(all(map(any, site.genotypes)) for site in sites)
    assert any(not any(site.genotypes[0]) for site in sites) and any(not any(site.genotypes[1]) for site in sites)
    lengths = [abs(len(site.alts[0]) - len(site.ref)) for site in sites]
    assert max(lengths) <= 12
    assert lengths.count(1) > lengths.count(4) > 0


def test_genes_hold_open_reading_frames_on_both_strands(
    demo: tuple[list[Contig], list[Gene], list[Site]],
) -> None:
    contigs, genes, _ = demo
    sequences = {contig.name: "".join(contig.bases) for contig in contigs}
    assert {gene.strand for gene in genes} == {"+", "-"}
    for gene in genes:
        coding = "".join(sequences[gene.contig][start:end] for start, end in gene.cds)
        coding = coding if gene.strand == "+" else reverse_complement(coding)
        codons = [coding[at : at + 3] for at in range(0, len(coding), 3)]
        assert codons[0] == "ATG" and codons[-1] in STOP_CODONS
        assert not set(codons[:-1]) & set(STOP_CODONS)
        assert len(codons[-1]) == 3


def test_phases_skip_to_the_first_whole_codon() -> None:
    parts = ((100, 110), (200, 220), (300, 303))
    assert Gene("c", 1, "+", parts, parts).phases() == [0, 2, 0]
    assert Gene("c", 1, "-", parts, parts).phases() == [1, 0, 0]


def test_bcftools_csq_predicts_consequences_with_the_annotation(small: Path, tmp_path: Path) -> None:
    reference = tmp_path / "reference.fa"
    reference.write_bytes(gzip.decompress((small / "reference.fa.gz").read_bytes()))
    vcf = tool("bcftools", "csq", "-p", "a", "-f", reference, "-g", small / "genes.gff3", small / "truth.vcf.gz")
    coding = [line for line in vcf.splitlines() if "|protein_coding|+|" in line]
    assert any("missense" in line or "synonymous" in line for line in coding)
    assert any("frameshift" in line for line in coding)


def test_errors_come_as_often_as_the_qualities_say() -> None:
    rng = Random(1)
    sequencer = Sequencer(rng, 100, 14.0)
    template = "ACGT" * 25 + "A"
    expected = observed = 0.0
    for _ in range(4000):
        sequence, quality = sequencer.read(template)
        assert len(sequence) == len(quality) == 100
        if "N" in sequence:
            continue
        wrong = sum(a != b for a, b in zip(sequence, template, strict=False))
        if wrong > 20:  # an insertion or deletion error shifts the rest
            continue
        observed += wrong
        expected += sum(10 ** (-(ord(char) - 33) / 10) for char in quality)
    assert observed == pytest.approx(expected, rel=0.1)


def test_qualities_fall_towards_the_end_and_n_has_the_lowest() -> None:
    rng = Random(2)
    sequencer = Sequencer(rng, 120, 12.0)
    reads = [sequencer.read("ACGT" * 31) for _ in range(2000)]
    means = [sum(ord(quality[at]) for _, quality in reads) / len(reads) for at in (20, 80, 119)]
    assert means[0] > means[1] > means[2]
    with_n = [(sequence, quality) for sequence, quality in reads if "N" in sequence]
    assert 5 < len(with_n) < 60
    assert all(quality[sequence.index("N")] == "#" for sequence, quality in with_n)


def test_fragments_have_the_size_the_strands_and_the_copies_that_are_asked_for() -> None:
    rng = Random(3)
    source = random_bases(rng, 20_000)
    haplotypes = [[Haplotype(source, []), Haplotype(source, [])]]
    fragments = list(draw_fragments(rng, haplotypes, 100, 4000))
    sizes = [len(fragment) for fragment in fragments]
    assert sum(sizes) / len(sizes) == pytest.approx(FRAGMENT_MEAN, abs=5)
    forward = sum(fragment in source for fragment in fragments)
    assert forward / len(fragments) == pytest.approx(0.5, abs=0.05)
    copies = len(fragments) - len(set(fragments))
    assert copies / len(fragments) == pytest.approx(DUPLICATE_RATE, abs=0.015)


def test_no_read_ends_beside_a_homozygous_deletion() -> None:
    rng = Random(4)
    sequence = random_bases(rng, 1500)
    site = Site("c", 700, sequence[700:706], (sequence[700],), ((1, 1), (0, 1)))
    source = haplotype(sequence, [site], 0, 0)
    assert source.sequence == sequence[:701] + sequence[706:]
    assert not haplotype(sequence, [site], 1, 1).fragile
    ends = set()
    for _ in range(3000):
        fragment = draw_fragment(rng, source, 100)
        start = source.sequence.index(fragment)
        ends |= {start, start + 100, start + len(fragment) - 100, start + len(fragment)}
    assert not ends & set(range(695, 708))
    assert ends & {690, 691, 692, 693, 694} and ends & {716, 717, 718, 719, 720}


def test_mates_have_the_same_names_in_the_same_order(small: Path) -> None:
    names = []
    for mate in (1, 2):
        text = gzip.decompress((small / f"reads/sampleA_L1_R{mate}.fastq.gz").read_bytes()).decode()
        names.append([line.split()[0] for line in text.splitlines()[::4]])
    assert names[0] == names[1]
    assert len(set(names[0])) == len(names[0]) > 300


def test_sheet_names_files_from_the_working_directory(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b"
    simulate.main(["--out", str(out), "--small", "--relative-to", str(tmp_path)])
    rows = [line.split("\t") for line in (out / "samples.tsv").read_text().splitlines()]
    assert rows[0] == ["sample", "unit", "fq1", "fq2"]
    assert [len(row) for row in rows] == [4, 4, 4]
    files = [name for row in rows[1:] for name in row[2:] if name]
    assert len(files) == 3 and all((tmp_path / name).is_file() for name in files)
    assert "samples: a/b/samples.tsv\n" in (out / "config.yaml").read_text()


def test_errors_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    assert simulate.main(["--out", str(tmp_path / "file"), "--small"]) == 1
    monkeypatch.setenv("PATH", str(tmp_path))
    assert simulate.main(["--out", str(tmp_path / "run"), "--small"]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert "bcftools is not on PATH" in errors[1]
