"""The function's code as a zip: the same files give the same bytes, so that Terraform sees no change without one."""

import zipfile
from pathlib import Path

import snakemake_aws_common
import terraflow

FILES = {
    snakemake_aws_common: ("__init__.py", "record/__init__.py", "record/live.py"),
    terraflow: (
        "__init__.py",
        "heads/__init__.py",
        "heads/about.py",
        "inbox/__init__.py",
        "inbox/entry.py",
        "news/__init__.py",
        "news/function.py",
        "news/text.py",
        "news/told.py",
        "runs/__init__.py",
        "runs/words.py",
    ),
}
# Terraform looks for it here, in the folder of the stack.
NAME = "news.zip"


def build(file: Path) -> None:
    """Write the zip, whole or not at all."""
    part = file.with_name(f"{file.name}.part")
    with zipfile.ZipFile(part, "w") as archive:
        for package, names in FILES.items():
            folder = Path(str(package.__file__)).parent
            for name in names:
                entry = zipfile.ZipInfo(f"{package.__name__}/{name}", date_time=(1980, 1, 1, 0, 0, 0))
                # AWS Lambda's user reads the files.
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, (folder / name).read_bytes())
    part.replace(file)
