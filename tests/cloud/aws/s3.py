"""S3: a bucket's lifecycle configuration comes back as it was put, as from AWS.

moto keeps only the parts that it knows (not `NewerNoncurrentVersions`, nor an empty `And`), and Terraform, which waits
until it reads what it wrote, then waits for nothing.
"""

import copy
from typing import Any

import xmltodict
from moto.s3.exceptions import NoSuchLifecycleConfiguration
from moto.s3.models import FakeBucket
from moto.s3.responses import S3Response


def patch() -> None:
    """Keeps and returns the rules unchanged."""
    set_lifecycle, delete_lifecycle = FakeBucket.set_lifecycle, FakeBucket.delete_lifecycle

    def keep(self: FakeBucket, rules: list[dict[str, Any]]) -> None:
        kept = copy.deepcopy(rules)
        set_lifecycle(self, rules)
        self.terraflow_rules = kept  # type: ignore[attr-defined]

    def forget(self: FakeBucket) -> None:
        delete_lifecycle(self)
        self.terraflow_rules = []  # type: ignore[attr-defined]

    def answer(self: S3Response) -> Any:
        self.data["Action"] = "GetBucketLifecycleConfiguration"
        rules = getattr(self.backend.get_bucket(self.bucket_name), "terraflow_rules", [])
        if not rules:
            raise NoSuchLifecycleConfiguration(bucket_name=self.bucket_name)
        root = {"@xmlns": "http://s3.amazonaws.com/doc/2006-03-01/", "Rule": rules}
        headers = {"x-amz-transition-default-minimum-object-size": "all_storage_classes_128K"}
        return 200, headers, xmltodict.unparse({"LifecycleConfiguration": root})

    FakeBucket.set_lifecycle = keep  # type: ignore[method-assign]
    FakeBucket.delete_lifecycle = forget  # type: ignore[method-assign]
    S3Response.get_bucket_lifecycle = answer  # type: ignore[method-assign]
