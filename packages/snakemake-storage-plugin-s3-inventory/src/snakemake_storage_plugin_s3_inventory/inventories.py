"""Find the inventory that answers for an object, and remember which prefixes the credentials may not list."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import botocore.exceptions

from .errors import is_denied
from .inventory import Found, Inventory
from .location import Location

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

# Prefixes of a bucket, or objects of a folder, that are asked for one by one before pages of all are read.
ONE_BY_ONE = 4


class Inventories:
    """The inventories of one storage provider."""

    def __init__(
        self, client: Callable[[], "S3Client"], max_pages: int, found: Found, listed: Callable[[Location], None]
    ) -> None:
        """List nothing yet.

        `found` gets every object that is seen; `listed` gets an object of each prefix that has just been listed from
        its start to its end. With `max_pages` 0 no prefix is listed.
        """
        self._client = client
        self._max_pages = max_pages
        self._found = found
        self._listed = listed
        self._inventories: dict[tuple[str, str], Inventory] = {}
        # Prefixes that were listed from their start to their end, in one go.
        self._whole: set[tuple[str, str | None]] = set()
        # Prefixes that these credentials may not list.
        self._unlistable: set[tuple[str, str | None]] = set()
        self._asked: dict[tuple[str, str], int] = {}

    def covering(self, location: Location) -> Inventory | None:
        """Return the inventory that covers an object, filled when first needed; None if there can't be one."""
        bucket, prefix = location.bucket, location.listed
        if not self._max_pages or (bucket, prefix) in self._unlistable:
            return None
        known = None if prefix is None else self._inventories.get((bucket, prefix))
        if known is not None:
            return known
        # Each sample may have a folder of its own: from some folders on, pages are read across all of them.
        if self._is_one_of_many(bucket, "") and (bucket, "") not in self._unlistable:
            return self._inventory(bucket, "")
        if prefix is None:
            return None
        inventory = self._inventory(bucket, prefix)
        try:
            inventory.fill()
        except botocore.exceptions.ClientError as error:
            del self._inventories[bucket, prefix]
            self.denied(error, bucket, prefix)
            return None
        if inventory.complete:
            self._whole.add((bucket, prefix))
            self._listed(location)
        return inventory

    def of_folder(self, location: Location) -> Inventory | None:
        """Return the inventory of an object's folder if many objects of that folder have been asked for."""
        folder = location.key[: location.key.rfind("/") + 1]
        return self._inventory(location.bucket, folder) if self._is_one_of_many(location.bucket, folder) else None

    def holds(self, inventory: Inventory, location: Location) -> bool | None:
        """Return what an inventory says, or None if the object has to be asked for by itself."""
        if (location.bucket, inventory.prefix) in self._unlistable:
            return None
        try:
            return inventory.holds(location.key)
        except botocore.exceptions.ClientError as error:
            self.denied(error, location.bucket, inventory.prefix)
            return None

    def is_whole(self, location: Location) -> bool:
        """Return whether the prefix of an object was listed from its start to its end."""
        return (location.bucket, location.listed) in self._whole

    def may_list(self, location: Location) -> bool:
        """Return whether these credentials may list the prefix of an object, as far as known."""
        return (location.bucket, location.listed) not in self._unlistable

    def denied(self, error: botocore.exceptions.ClientError, bucket: str, prefix: str | None) -> None:
        """Remember that a prefix may not be listed. Raise any other error."""
        if not is_denied(error):
            raise error
        self._unlistable.add((bucket, prefix))

    def _is_one_of_many(self, bucket: str, folder: str) -> bool:
        self._asked[bucket, folder] = self._asked.get((bucket, folder), 0) + 1
        return self._asked[bucket, folder] > ONE_BY_ONE

    def _inventory(self, bucket: str, prefix: str) -> Inventory:
        return self._inventories.setdefault(
            (bucket, prefix), Inventory(self._client(), bucket, prefix, self._max_pages, self._found)
        )
