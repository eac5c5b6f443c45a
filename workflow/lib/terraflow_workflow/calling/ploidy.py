"""Turn a ploidy file that names samples or sexes into the two files that `bcftools call` takes.

A line is `SAMPLE PLOIDY`, or `CHROM FROM TO WHO PLOIDY` as in `bcftools call --ploidy-file`, where WHO is a sample,
a sex of the sheet's `sex` column or `*` for all, and `*` in the first three columns stands for all there is. FROM and
TO are 1-based and inclusive. Sex wins over `*`, a sample over its sex; of lines for one of them, a place wins over the
whole genome, as in bcftools, and else a later line over an earlier one. What no line speaks of is diploid. A place may
have lines for a sex that no sample has.
"""

import argparse
import difflib
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path

from terraflow_workflow.reference.contigs import read_contigs

DIPLOID = 2
MALE, FEMALE = {"m", "male", "xy"}, {"f", "female", "xx"}
EXPECTED = "expected SAMPLE PLOIDY or CHROM FROM TO WHO PLOIDY"
# No contig is longer: BAM files count bases in 31 bits.
LONGEST = 2**31


class PloidyError(Exception):
    """The problems of a ploidy file, one a line."""


@dataclass(frozen=True)
class Rule:
    """One line of a ploidy file; `start` and `end` are 1-based, inclusive, and None for a contig's ends.

    `in_columns` tells CHROM FROM TO WHO PLOIDY from SAMPLE PLOIDY.
    """

    contig: str
    start: int | None
    end: int | None
    who: str
    ploidy: int
    line: int
    in_columns: bool = True

    @property
    def is_of_a_place(self) -> bool:
        """Return whether it speaks of a contig, and not of all."""
        return self.contig != "*"


def read_ploidy(path: str) -> list[Rule]:
    """Return the lines of the ploidy file at `path`. Raises PloidyError naming every line that can't be used."""
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise PloidyError(f"{path}: can't be read ({error.strerror}); {EXPECTED}, one on a line") from None
    except UnicodeDecodeError as error:
        raise PloidyError(f"{path}: byte {error.start + 1} is not UTF-8; expected text in UTF-8") from None
    rules: list[Rule] = []
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        if line.strip() and not line.startswith("#"):
            try:
                rules.append(_rule(line.split(), number))
            except ValueError as error:
                problems.append(f"{path}, line {number}: {error}")
    if not rules and not problems:
        problems.append(f"{path}: is empty; {EXPECTED}, one on a line")
    if problems:
        raise PloidyError("\n".join(problems))
    return rules


def problems_of_ploidy(path: str, rules: list[Rule], sexes: dict[str, str]) -> list[str]:
    """Return one line for each rule that names no sample or sex, or both. `sexes` maps samples to theirs ("" for none).

    A place may have a ploidy for a sex that no sample has: people keep one file for a genome. But a line for a sample
    that is called like the sex of another one is refused: a mother M would be called as men are. So are a place of all
    and the whole genome of a sex that differ: either could be meant to win.
    """
    known = {"*", *sexes, *filter(None, sexes.values())}
    problems = []
    for rule in rules:
        if rule.who in sexes and (of_sex := _others_of_sex(rule.who, sexes)):
            problems.append(
                f"{path}, line {rule.line}: {rule.who!r} is a sample of the sample sheet, and {of_sex!r} there has "
                f"the sex {sexes[of_sex]!r}; expected names that tell them apart: rename the sample, or the sex in both"
            )
            continue
        if rule.who in known or (rule.in_columns and _is_sex_of_nobody(rule.who, sexes)):
            continue
        problems.append(
            f"{path}, line {rule.line}: {rule.who!r} is neither a sample nor a sex of the sample sheet; "
            f"expected one of {', '.join(sorted(known)[:10])}{' …' if len(known) > 10 else ''}"
        )
    return problems + _undecided(path, rules, sorted(set(filter(None, sexes.values()))))


def _undecided(path: str, rules: list[Rule], sexes: list[str]) -> list[str]:
    """Return one line for each place of all of which a line for the whole genome of a sex says something else."""
    contigs = dict.fromkeys((rule.contig for rule in rules if rule.is_of_a_place), LONGEST)
    problems = []
    for sex in sexes:
        mine = [rule for rule in rules if rule.who in ("*", sex)]
        sex_wins = sorted(mine, key=lambda rule: (rule.who == sex, rule.is_of_a_place))
        place_wins = sorted(mine, key=lambda rule: (rule.is_of_a_place, rule.who == sex))
        differing = {contig for contig, *_ in {*segments(sex_wins, contigs)} ^ {*segments(place_wins, contigs)}}
        whole = [rule for rule in mine if rule.who == sex and not rule.is_of_a_place]
        problems += [
            f"{path}, line {rule.line}: {rule.contig} has ploidy {rule.ploidy} for all, and line {whole[-1].line} says "
            f"{whole[-1].ploidy} for the whole genome of {sex!r}; expected a line that tells which of them is meant: "
            f"{rule.contig} {rule.start or '*'} {rule.end or '*'} {sex} {rule.ploidy}, or with {whole[-1].ploidy}"
            for rule in mine
            if rule.who == "*" and rule.contig in differing
        ]
    return problems


def has_places_before_the_whole_genome(rules: list[Rule]) -> bool:
    """Return whether a line for the whole genome, of which a place differs, stands behind that place.

    Up to version 0.2 it won there: runs made by it have the wrong ploidy.
    """
    return any(
        earlier.who == later.who and earlier.ploidy != later.ploidy
        for earlier, later in combinations(rules, 2)
        if earlier.is_of_a_place and not later.is_of_a_place
    )


def _others_of_sex(who: str, sexes: dict[str, str]) -> str | None:
    """Return the first sample beside `who` whose sex is `who`, in whatever spelling."""
    return next((sample for sample, sex in sexes.items() if sample != who and sex and _same_sex(who, sex)), None)


def _is_sex_of_nobody(who: str, sexes: dict[str, str]) -> bool:
    """Return whether `who` can only be a sex that the sheet could have named and didn't: no other spelling, no slip."""
    named = set(filter(None, sexes.values()))
    if not named or any(_same_sex(who, sex) for sex in named):
        return False
    return who.lower() in MALE | FEMALE or not difflib.get_close_matches(who, [*sexes, *named], n=1)


def _same_sex(one: str, other: str) -> bool:
    pair = {one.lower(), other.lower()}
    return len(pair) == 1 or pair <= MALE or pair <= FEMALE


def problems_of_places(path: str, rules: list[Rule], contigs: dict[str, int]) -> list[str]:
    """Return one line for each rule that speaks of a place that the reference doesn't have."""
    names = f"{', '.join(list(contigs)[:5])}{' …' if len(contigs) > 5 else ''}"
    problems = [
        (rule.line, f"the reference has no contig {rule.contig!r}; it has {names}")
        for rule in rules
        if rule.contig not in ("*", *contigs)
    ]
    problems += [
        (rule.line, f"FROM {rule.start} lies behind the end of {rule.contig}, which has {contigs[rule.contig]} bases")
        for rule in rules
        if rule.contig in contigs and (rule.start or 1) > contigs[rule.contig]
    ]
    return [f"{path}, line {line}: {problem}" for line, problem in sorted(problems)]


def segments(rules: Iterable[Rule], contigs: dict[str, int]) -> list[tuple[str, int, int, int]]:
    """Return (contig, first, last, ploidy) of all that is not diploid, without overlaps; a later rule wins."""
    found = []
    rules = list(rules)
    for contig, length in contigs.items():
        here = [
            (rule.start or 1, min(rule.end or length, length), rule.ploidy)
            for rule in rules
            if rule.contig in ("*", contig)
        ]
        edges = sorted({1, length + 1, *(start for start, _, _ in here), *(end + 1 for _, end, _ in here)})
        for first, after in pairwise(edges):
            ploidy = next((p for start, end, p in reversed(here) if start <= first <= end), DIPLOID)
            if ploidy != DIPLOID:
                found.append((contig, first, after - 1, ploidy))
    return found


def for_bcftools(rules: list[Rule], contigs: dict[str, int], sexes: dict[str, str]) -> tuple[str, str]:
    """Return texts for `--ploidy-file` and `--samples-file`: samples of one ploidy everywhere share a made-up sex."""
    made_up: dict[tuple[tuple[str, int, int, int], ...], str] = {}
    samples = []
    for sample, sex in sexes.items():
        ranks = {"*": 0, sex: 1, sample: 2}
        applying = [rule for rule in rules if rule.who in ranks]
        applying.sort(key=lambda rule: (ranks[rule.who], rule.is_of_a_place))
        key = tuple(segments(applying, contigs))
        samples.append(f"{sample}\t{made_up.setdefault(key, f'sex{len(made_up) + 1}')}\n")
    ploidy = [
        f"{contig} {first} {last} {name} {number}\n"
        for key, name in made_up.items()
        for contig, first, last, number in key
    ]
    ploidy += [f"* * * {name} {DIPLOID}\n" for name in made_up.values()]
    return "".join(ploidy), "".join(samples)


def _rule(fields: list[str], line: int) -> Rule:
    in_columns = len(fields) != 2
    if not in_columns:
        fields = ["*", "*", "*", *fields]
    if len(fields) != 5:
        raise ValueError(f"found {len(fields)} fields; {EXPECTED}")
    contig, start, end, who, ploidy = fields
    if ploidy not in ("0", "1", "2"):
        raise ValueError(f"found the ploidy {ploidy!r}; expected 0, 1 or 2, which is what bcftools calls")
    first, last = _position("FROM", start), _position("TO", end)
    if first and last and first > last:
        raise ValueError(f"FROM {first} lies behind TO {last}")
    return Rule(contig, first, last, who, int(ploidy), line, in_columns)


def _position(name: str, text: str) -> int | None:
    if text == "*":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"found {name} {text!r}; expected a position of 1 or more, or *")
    return int(text)


def main() -> None:
    """Run the command line of the rule `ploidy`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ploidy", required=True, help="the ploidy file")
    parser.add_argument("--fai", required=True, help="index of the reference")
    parser.add_argument("--samples", required=True, nargs="+", help="samples, each as NAME=SEX or NAME=")
    parser.add_argument("--out-ploidy", required=True, type=Path)
    parser.add_argument("--out-samples", required=True, type=Path)
    options = parser.parse_args()
    try:
        rules = read_ploidy(options.ploidy)
        contigs = read_contigs(options.fai)
        if problems := problems_of_places(options.ploidy, rules, contigs):
            raise PloidyError("\n".join(problems))
    except PloidyError as error:
        sys.exit(str(error))
    sexes = dict(text.rsplit("=", 1) for text in options.samples)
    for rule in rules:
        if rule.who not in ("*", *sexes, *sexes.values()):
            print(f"{options.ploidy}, line {rule.line}: no sample called here is {rule.who!r}", file=sys.stderr)
    ploidy, samples = for_bcftools(rules, contigs, sexes)
    options.out_ploidy.write_text(ploidy)
    options.out_samples.write_text(samples)


if __name__ == "__main__":
    main()
