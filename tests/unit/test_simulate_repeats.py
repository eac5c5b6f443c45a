"""Simulated repeats: the planted alleles are what they say, and polymerases slip as often as they should."""

from random import Random

import pytest

from simulation.genome import Contig
from simulation.reads import Haplotype, haplotypes_of
from simulation.repeats import LOST, Repeat, plant_in_repeats, repeats_of
from simulation.sequence import random_bases
from simulation.variants import Site, left_align


@pytest.fixture(scope="module")
def planted() -> tuple[Contig, list[Site]]:
    contig = Contig("c", list(random_bases(Random(1), 60_000)))
    return contig, plant_in_repeats(Random(2), 32, [contig])


def test_sites_agree_with_the_reference_are_normalised_and_of_all_sorts(planted: tuple[Contig, list[Site]]) -> None:
    contig, sites = planted
    sequence = "".join(contig.bases)
    assert [site.pos for site in sites] == sorted(site.pos for site in sites)
    for site in sites:
        assert sequence[site.pos : site.pos + len(site.ref)] == site.ref
        assert max(site.genotypes[0]) == len(site.alts)
        for alt in site.alts:
            assert left_align(sequence, site.pos, site.ref, alt)[0] == site.pos
    kinds = {(len(site.alts), len({*site.genotypes[0]}), len(site.ref) == len(site.alts[0])) for site in sites}
    assert {(2, 2, False), (1, 2, False), (1, 1, False), (1, 1, True), (1, 2, True)} <= kinds


def test_haplotypes_have_the_repeats_with_their_alleles(planted: tuple[Contig, list[Site]]) -> None:
    contig, sites = planted
    pair = haplotypes_of("sampleA", [contig], sites, slipping=True)[0]
    longer = [sum(len(alt) - len(site.ref) for site in sites for alt in [allele(site, copy)]) for copy in (0, 1)]
    assert [len(made.sequence) - len(contig.bases) for made in pair] == longer
    assert all(len(made.repeats) > 150 and not made.fragile for made in pair)


def allele(site: Site, copy: int) -> str:
    number = site.genotypes[0][copy]
    return site.alts[number - 1] if number else site.ref


def test_repeats_are_found_by_their_shortest_unit() -> None:
    found = repeats_of("GT" + "A" * 8 + "GC" + "CA" * 5 + "TGGC" + "AGAT" * 3 + "CC")
    assert [(repeat.unit, repeat.copies) for repeat in found] == [("A", 8), ("CA", 5), ("AGAT", 3)]
    assert Repeat(0, 18, "A").slip_rate() == pytest.approx(0.256)
    assert Repeat(0, 40, "A").slip_rate() == 0.4


def test_molecules_slip_as_often_as_the_repeat_says_and_keep_their_size() -> None:
    rng = Random(3)
    sequence = random_bases(rng, 200) + "C" + "A" * 18 + "G" + random_bases(rng, 300)
    repeats = [repeat for repeat in repeats_of(sequence) if repeat.copies == 18]
    source = Haplotype(sequence, [], repeats)
    molecules = [source.molecule(rng, 100, 250) for _ in range(4000)]

    assert {len(molecule) for molecule in molecules} == {250}
    sizes = [
        next(repeat for repeat in repeats_of(molecule) if repeat.start == 101).copies - 18 for molecule in molecules
    ]
    slipped = [size for size in sizes if size]
    assert len(slipped) / len(sizes) == pytest.approx(0.256, abs=0.03)
    assert sum(size < 0 for size in slipped) / len(slipped) == pytest.approx(LOST, abs=0.06)
    # Where no repeat lies within, nothing changes.
    assert source.molecule(rng, 0, 150) == sequence[:150]
