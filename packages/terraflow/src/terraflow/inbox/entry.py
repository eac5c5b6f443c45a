"""What became of a sheet: `raw/NAME/inbox.json`, which launchers write beside it. `terraflow remove` leaves it there.

Times are milliseconds since 1970.
"""

import json
from dataclasses import asdict, dataclass

NAME = "inbox.json"

# A launcher is at it.
LAUNCHING = "launching"
LAUNCHED = "launched"
# Files that the sheet names are missing, or AWS can't do it now; the sheet is looked at again.
WAITING = "waiting"
# Files are missing still, after a day.
INCOMPLETE = "incomplete"
# The sheet, the configuration or the name of the run is wrong, or the run would cost too much.
REFUSED = "refused"


@dataclass(frozen=True)
class Entry:
    """A sheet by its ETag, what became of it, and when; `modified` is when the sheet was written, by S3's clock."""

    etag: str
    modified: int
    state: str
    # When this sheet was first looked at, and when this was written.
    first_seen: int
    updated: int
    # ETag of the configuration beside the sheet; empty if there was none.
    config_etag: str = ""
    # Heads that were submitted for this sheet.
    starts: int = 0
    message: str = ""
    missing: tuple[str, ...] = ()
    # A random word of the launcher that wrote it: no two launchers write the same.
    claim: str = ""

    @property
    def is_refusal(self) -> bool:
        """Whether people have to do something before a run can start."""
        return self.state in (REFUSED, INCOMPLETE)


def to_json(entry: Entry) -> bytes:
    """Return it as JSON."""
    return json.dumps(asdict(entry), indent=2).encode()


def from_json(body: bytes) -> Entry:
    """Return what `to_json` wrote; fields that a later version has added are left out."""
    given = json.loads(body)
    known = {name: given[name] for name in Entry.__dataclass_fields__ if name in given}
    return Entry(**{**known, "missing": tuple(known.get("missing", ()))})
