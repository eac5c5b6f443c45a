"""Has an object replaced at a certain moment of a real run, in the process that is about to handle another one."""

from pathlib import Path

SITE = """
import os
from pathlib import Path

from snakemake_storage_plugin_s3_inventory import StorageObject

METHOD, KEY, BUCKET, OBJECT, BODY = os.environ["REPLACE"].split("|")
ONCE = Path(__file__).with_name("replaced")
method = getattr(StorageObject, METHOD)


def replacing(self):
    if self.key == KEY and not ONCE.exists():
        ONCE.touch()
        self.provider.client.put_object(Bucket=BUCKET, Key=OBJECT, Body=BODY.encode())
    return method(self)


setattr(StorageObject, METHOD, replacing)
"""


def replacing(folder: Path, when: str, bucket: str, key: str, body: str) -> dict[str, str]:
    """Variables of a process that puts an object once, before it does what `when` says ("retrieve_object raw/x")."""
    site = folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(SITE)
    return {"PYTHONPATH": str(site), "REPLACE": "|".join([*when.split(), bucket, key, body])}
