"""What tells the two aligners apart: the files of their indices, and what they take.

Their alignments are the same. Three files of an index have the same names and format for both, but another content
where a run built them: those of bwa-mem2 have a contig more (shield.py). Neither aligner reads the files of the other
that have other names.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Aligner:
    """An aligner by the name that `alignment.aligner` gives it.

    `suffixes` are those of the files of an index, behind the path of a FASTA. Bytes for each base of the reference:
    of the index on disk, of memory that aligning takes, and of memory to build it with room to spare.
    """

    name: str
    version: str
    suffixes: tuple[str, ...]
    index_bytes: float
    memory_bytes: float
    building_bytes: float

    def in_place_of_bwa(self, command: str) -> str:
        """Return a rule's command, which aligns with `bwa mem`, for this aligner."""
        for old, new in _IN_PLACE_OF_BWA[self.name].items():
            if command.count(old) != 1:
                raise ValueError(f"the command has {old!r} {command.count(old)} times; expected it once")
            command = command.replace(old, new)
        return command

    @property
    def indexer(self) -> str:
        """The command that writes an index."""
        return f"{self.name} index"

    @property
    def missing(self) -> str:
        """What to do where the program is not found."""
        conda = f"conda install -c conda-forge -c bioconda {self.name}={self.version}, or snakemake --sdm conda"
        return f"{self.name}: not on PATH, and alignment.aligner asks for it. {_WAYS_TO_GET[self.name].format(conda)}"


BWA = Aligner("bwa", "0.7.18", (".amb", ".ann", ".bwt", ".pac", ".sa"), 1.75, 1.75, 4)
# Versions 2.1 and later: those before had other files.
BWA_MEM2 = Aligner("bwa-mem2", "2.3", (".amb", ".ann", ".bwt.2bit.64", ".pac", ".0123"), 5.5, 6, 28)
SHIELD = "terraflow-shield"
"""A contig in front of all others in the index of bwa-mem2 (shield.py)."""

_INDEX = "index={input.index[0]:q}\n"
_IN_PLACE_OF_BWA = {
    BWA.name: {},
    BWA_MEM2.name: {
        "| bwa mem ": "| bwa-mem2 mem ",
        "| {params.fixmate} ": "| without_shield | {params.fixmate} ",
        _INDEX: f'{_INDEX}        run_module reference.whole_index "$index"\n',
    },
}
_WAYS_TO_GET = {
    BWA.name: "`make setup` finds or installs it; conda has it ({}).",
    BWA_MEM2.name: "conda has it ({}), and Debian since forky, for amd64 only. "
    "Or say alignment.aligner: bwa, whose alignments are the same.",
}
ALIGNERS = {aligner.name: aligner for aligner in (BWA, BWA_MEM2)}


def aligner_of(config: Mapping[str, Any]) -> Aligner:
    """Return the aligner of a configuration; one without the key has the default, `bwa`."""
    section = config.get("alignment")
    name = section.get("aligner", BWA.name) if isinstance(section, Mapping) else BWA.name
    return ALIGNERS.get(str(name), BWA)


def suffixes_of_prebuilt(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the suffixes of the index that has to lie beside the FASTA; none if the run builds it."""
    section = config.get("reference")
    prebuilt = isinstance(section, Mapping) and section.get("bwa_index") == "prebuilt"
    return aligner_of(config).suffixes if prebuilt else ()


def index_of_another(fasta: str, wanted: Aligner, exists: Callable[[str], bool]) -> str:
    """Return, as the end of a message, whose index lies beside `fasta` where one of `wanted` is missing; else ""."""
    for other in ALIGNERS.values():
        own = _only_of(other, wanted)
        if other is not wanted and all(exists(fasta + suffix) for suffix in own):
            files = " and ".join(fasta + suffix for suffix in own)
            return f"{files} are of an index of {other.name}: say alignment.aligner: {other.name}, or bwa_index: build"
    return ""


def _only_of(aligner: Aligner, other: Aligner) -> Iterable[str]:
    return [suffix for suffix in aligner.suffixes if suffix not in other.suffixes]


if __name__ == "__main__":
    # begin.sh, where a job misses it.
    print(BWA_MEM2.missing)
