"""Archives by content: equal on every machine, refused when damaged, and never written outside of their folder."""

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from snakemake_aws_common import packing


def test_an_archive_depends_on_names_and_contents_only(tmp_path: Path) -> None:
    made = []
    for name, umask, time in (("one", 0o022, 1_000_000_000), ("two", 0o077, 1_700_000_000)):
        folder = tmp_path / name
        folder.mkdir()
        script = folder / "run.sh"
        script.write_text("#!/bin/sh\n")
        script.chmod(0o755 & ~umask)
        os.utime(script, (time, time))
        link = folder / "link"
        link.symlink_to(script)
        made.append(packing.pack({"a/run.sh": script, "b": link, "c": b"text"}))
    assert made[0] == made[1]
    body, checksum = made[0]
    assert checksum == hashlib.sha256(body).hexdigest()
    into = tmp_path / "into"
    packing.unpack(body, checksum, into)
    assert (into / "a/run.sh").read_text() == (into / "b").read_text() == "#!/bin/sh\n"
    assert os.access(into / "a/run.sh", os.X_OK) and not (into / "b").is_symlink()
    assert (into / "c").read_bytes() == b"text"


def tar_of(*members: tarfile.TarInfo) -> bytes:
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w:xz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return into.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, link, size
    return made


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (tar_of(member("../out", size=1)), "can't be unpacked: '../out' would be extracted"),
        (tar_of(member("/tmp/terraflow-out", size=1)), None),
        (tar_of(member("link", tarfile.SYMTYPE, "/etc/passwd")), "link, which is neither a file nor a folder"),
        (tar_of(member("hard", tarfile.LNKTYPE, "../../x")), "hard, which is neither"),
        (tar_of(member("pipe", tarfile.FIFOTYPE)), "pipe, which is neither"),
        (b"not an archive", "can't be unpacked"),
        (tar_of(member("whole", size=5000))[:100], "can't be unpacked"),
    ],
)
def test_an_archive_writes_nothing_outside_of_its_folder(tmp_path: Path, body: bytes, words: str | None) -> None:
    into = tmp_path / "into"
    into.mkdir()
    checksum = hashlib.sha256(body).hexdigest()
    if words is None:
        # The slash at the beginning counts for nothing.
        packing.unpack(body, checksum, into)
        assert (into / "tmp/terraflow-out").is_file() and not Path("/tmp/terraflow-out").exists()
    else:
        with pytest.raises(packing.ArchiveError, match=words):
            packing.unpack(body, checksum, into)
    assert list(tmp_path.iterdir()) == [into]


def test_a_damaged_archive_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    body, checksum = packing.pack({"a": b"1"})
    with pytest.raises(packing.ArchiveError, match="damaged"):
        packing.unpack(body[:-1] + b"x", checksum, tmp_path / "into")
    assert not (tmp_path / "into").exists()


def test_an_archive_that_grows_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "MOST", 1_000_000)
    body, checksum = packing.pack({"a": bytes(800_000), "b": bytes(800_000)})
    with pytest.raises(packing.ArchiveError, match="more than 1 MB"):
        packing.unpack(body, checksum, tmp_path)
