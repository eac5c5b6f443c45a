"""A run remembers only what exists, and forgets what a change makes doubtful."""

import pytest

from snakemake_storage_plugin_s3_inventory.known_objects import KnownObjects, ObjectInfo
from snakemake_storage_plugin_s3_inventory.location import Location


@pytest.fixture
def objects() -> KnownObjects:
    objects = KnownObjects()
    for key in ("run/dir/a", "run/dir/b", "run/dirt"):
        objects.add(Location("lab", key), ObjectInfo(1, 1.0))
    for key in ("run/dir", "run"):
        objects.add(Location("lab", key), ObjectInfo(2, 1.0, is_directory=True))
    return objects


def known(objects: KnownObjects) -> set[str]:
    """Return the fixture's keys that are remembered."""
    keys = ("run", "run/dir", "run/dir/a", "run/dir/b", "run/dirt")
    return {key for key in keys if objects.get(Location("lab", key))}


def test_a_removed_object_is_forgotten_and_so_is_what_was_known_of_its_folders(objects: KnownObjects) -> None:
    objects.forget(Location("lab", "run/dir/a"))
    assert known(objects) == {"run/dir/b", "run/dirt"}


def test_a_removed_directory_is_forgotten_with_all_in_it(objects: KnownObjects) -> None:
    objects.forget(Location("lab", "run/dir"))
    assert known(objects) == {"run/dirt"}


def test_what_is_stored_is_known_without_its_time(objects: KnownObjects) -> None:
    objects.add_stored(Location("lab", "run/dir/c"), ObjectInfo(5, None))
    assert objects.get(Location("lab", "run/dir/c")) == ObjectInfo(5, None)
    assert known(objects) == {"run/dir/a", "run/dir/b", "run/dirt"}
