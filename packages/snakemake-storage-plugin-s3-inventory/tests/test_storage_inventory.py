"""Listings answer what asking would have answered, with fewer requests."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snakemake_storage_plugin_s3_inventory.inventory import Inventory, before
from snakemake_storage_plugin_s3_inventory.known_objects import ObjectInfo
from snakemake_storage_plugin_s3_inventory.listing import directories, look_up
from snakemake_storage_plugin_s3_inventory.location import Location

TIME = datetime(2026, 1, 2, 3, 4, 5, 600_000, UTC)


class Bucket:
    """Answers ListObjectsV2 as S3 does, a few keys at a time, and counts."""

    def __init__(self, keys: Iterable[str], page: int) -> None:
        self.keys = sorted(set(keys), key=str.encode)
        self.page = page
        self.requests = 0

    def list_objects_v2(self, **asked: Any) -> dict[str, Any]:
        """A page; the token is the last key of the page before."""
        self.requests += 1
        after = asked.get("ContinuationToken", asked.get("StartAfter", "")).encode()
        keys = [k for k in self.keys if k.startswith(asked["Prefix"]) and k.encode() > after]
        contents = [{"Key": key, "Size": len(key), "LastModified": TIME} for key in keys[: self.page]]
        answer: dict[str, Any] = {"Contents": contents, "IsTruncated": len(keys) > self.page}
        if answer["IsTruncated"]:
            answer["NextContinuationToken"] = keys[self.page - 1]
        return answer


def exists(bucket: Bucket, key: str) -> bool:
    """Return what a local folder with the same files would say."""
    return any(k == key or k.startswith(f"{key}/") for k in bucket.keys)


KEYS = st.text("ab./0é~ ", min_size=1, max_size=5).map(lambda text: f"runs/main/{text}")
Ask = Callable[[Location], bool]


@given(st.lists(KEYS, max_size=25), st.lists(KEYS, max_size=10), st.integers(1, 4), st.integers(1, 4))
def test_an_inventory_says_what_exists(keys: list[str], asked: list[str], page: int, pages: int) -> None:
    bucket = Bucket(keys, page)
    found: dict[Location, ObjectInfo] = {}
    inventory = Inventory(bucket, "lab", "runs/main/", pages, found.__setitem__)  # type: ignore[arg-type]
    inventory.fill()
    assert bucket.requests <= pages
    assert inventory.complete == (len(bucket.keys) <= page * pages)
    for number, key in enumerate([*asked, *keys], 1):
        answer = inventory.holds(key)
        # A directory may have to be asked for; nothing else is left open, or said wrongly.
        assert answer is exists(bucket, key) if answer is not None else (exists(bucket, key) or not inventory.complete)
        assert bucket.requests <= pages + 2 * number
    for location, seen in found.items():
        assert exists(bucket, location.key)
        assert seen.size == sum(len(k) for k in keys_in(bucket, location.key))


def keys_in(bucket: Bucket, key: str) -> list[str]:
    """The object itself, or what lies in the directory."""
    return [key] if key in bucket.keys else [k for k in bucket.keys if k.startswith(f"{key}/")]


@given(st.lists(KEYS, max_size=25), KEYS, st.integers(1, 4))
def test_asking_finds_objects_and_directories(keys: list[str], key: str, page: int) -> None:
    bucket = Bucket(keys, page)
    found = dict(look_up(bucket, Location("lab", key)))  # type: ignore[arg-type]
    seen = found.get(Location("lab", key))
    assert (seen is not None) is exists(bucket, key)
    if seen is not None:
        inside = keys_in(bucket, key)
        assert (seen.size, seen.mtime) == (sum(map(len, inside)), int(TIME.timestamp()))
        assert seen.is_directory is (key not in bucket.keys)
    assert all(exists(bucket, location.key) for location in found)


def test_one_request_is_enough_for_a_file_that_is_missing_or_there() -> None:
    bucket = Bucket([f"runs/main/S{n}.bam{index}" for n in range(100) for index in ("", ".bai")], 1000)
    found = dict(look_up(bucket, Location("lab", "runs/main/S7.bam")))  # type: ignore[arg-type]
    assert set(found) == {Location("lab", "runs/main/S7.bam"), Location("lab", "runs/main/S7.bam.bai")}
    assert not dict(look_up(bucket, Location("lab", "runs/main/S100.bam")))  # type: ignore[arg-type]
    assert bucket.requests == 2


def test_a_bucket_with_millions_of_others_is_not_listed_whole() -> None:
    others = [f"raw/{n:06d}_R{mate}.fq" for n in range(5000) for mate in (1, 2)]
    bucket = Bucket(others, 100)
    inventory = Inventory(bucket, "lab", "raw/", 5, lambda *_: None)  # type: ignore[arg-type]
    inventory.fill()
    assert bucket.requests == 5
    for n in (3000, 3001, 3010, 4711):
        for mate in (1, 2):
            assert inventory.holds(f"raw/{n:06d}_R{mate}.fq") is True
            assert inventory.holds(f"raw/{n:06d}_R{mate}.txt") is False
    assert bucket.requests == 7


@pytest.mark.parametrize("falling", [False, True])
def test_many_keys_cost_few_pages_in_any_order(falling: bool) -> None:
    keys = [f"raw/S{n:04d}/L1/R{mate}.fq" for n in range(1500) for mate in (1, 2)]
    bucket = Bucket([*keys, "a/first", "z/last"], 1000)
    inventory = Inventory(bucket, "lab", "", 100, lambda *_: None)  # type: ignore[arg-type]
    for key in sorted(keys, reverse=falling):
        assert inventory.holds(key) is True
        assert inventory.holds(f"{key}.none") is False
    assert bucket.requests <= 10


def test_a_folder_that_is_listed_in_part_has_no_size() -> None:
    found: dict[Location, ObjectInfo] = {}
    bucket = Bucket(["runs/main/a", "runs/other/b"], 1000)
    Inventory(bucket, "lab", "runs/main/", 1, found.__setitem__).fill()  # type: ignore[arg-type]
    assert {location.key for location in found} == {"runs/main/a", "runs/main"}


def test_a_page_before_the_longest_key_begins_at_no_longer_one() -> None:
    assert len(before("a" * 1024).encode()) <= 1024


@given(st.text(min_size=1, max_size=4), st.text(min_size=1, max_size=4))
def test_a_page_can_begin_just_before_a_key(key: str, other: str) -> None:
    assert before(key).encode("utf-8", "surrogatepass") < key.encode("utf-8", "surrogatepass")


def test_directories_have_the_sizes_of_all_in_them() -> None:
    keys = ["a/b/c/1", "a/b/2", "a/3", "4"]
    found = directories({"Key": key, "Size": 10, "LastModified": TIME} for key in keys)
    assert {key: seen.size for key, seen in found.items()} == {"a": 30, "a/b": 20, "a/b/c": 10}
    assert all(seen.is_directory and seen.mtime == int(TIME.timestamp()) for seen in found.values())
