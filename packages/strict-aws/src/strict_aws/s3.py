"""S3: a bucket's lifecycle configuration is returned as it was put, and its policy is evaluated with its conditions.

moto drops parts of a lifecycle that it does not know (`NewerNoncurrentVersions`, an empty `And`), and Terraform, which
reads until it finds what it wrote, then waits in vain. moto ignores the conditions of a bucket policy. Its HeadObject
gives a checksum of parts without their number, as if it were one of the whole object. moto looks whether an object
fits a condition, and stores it in a later step: of two conditional writes at once it takes both.
"""

import copy
import functools
import threading
from collections.abc import Callable
from typing import Any

import xmltodict
from moto.iam.access_control import PermissionResult
from moto.s3.exceptions import NoSuchLifecycleConfiguration
from moto.s3.models import FakeBucket
from moto.s3.responses import S3Response

from strict_aws import policies
from strict_aws.constants import ACCOUNT


def permission(self: FakeBucket, action: str, resource: str) -> PermissionResult:
    """Evaluate the policy of a bucket for the account's owner, whose call counts as one over TLS."""
    if not self.policy:
        return PermissionResult.NEUTRAL
    document = policies.parse(self.policy.decode())
    context = {"aws:SecureTransport": "true"}
    return VERDICTS[policies.judge([], action, resource, context, resource_policies=[document], principal=OWNER)]


OWNER = f"arn:aws:iam::{ACCOUNT}:root"
VERDICTS = {
    policies.Verdict.ALLOWED: PermissionResult.PERMITTED,
    policies.Verdict.DENIED: PermissionResult.DENIED,
    policies.Verdict.NOT_ALLOWED: PermissionResult.NEUTRAL,
}


# Calls that write objects or walk through all of them, as moto names their methods: one at a time.
ALONE = (
    "put_object",
    "copy_object",
    "delete_object",
    "_key_response_post",
    "_bucket_response_delete_keys",
    "list_objects",
    "list_objects_v2",
    "list_object_versions",
)


def patch() -> None:
    """Make moto evaluate whole bucket policies, keep lifecycles, mark checksums of parts, and write one at a time."""
    lock = threading.RLock()
    for name in ALONE:
        setattr(S3Response, name, _alone(getattr(S3Response, name), lock))
    set_lifecycle, delete_lifecycle = FakeBucket.set_lifecycle, FakeBucket.delete_lifecycle
    head_object = S3Response.head_object

    def keep(self: FakeBucket, rules: list[dict[str, Any]]) -> None:
        kept = copy.deepcopy(rules)
        set_lifecycle(self, rules)
        self.rules_as_put = kept  # type: ignore[attr-defined]

    def forget(self: FakeBucket) -> None:
        delete_lifecycle(self)
        self.rules_as_put = []  # type: ignore[attr-defined]

    def answer(self: S3Response) -> Any:
        self.data["Action"] = "GetBucketLifecycleConfiguration"
        rules = getattr(self.backend.get_bucket(self.bucket_name), "rules_as_put", [])
        if not rules:
            raise NoSuchLifecycleConfiguration(bucket_name=self.bucket_name)
        root = {"@xmlns": "http://s3.amazonaws.com/doc/2006-03-01/", "Rule": rules}
        headers = {"x-amz-transition-default-minimum-object-size": "all_storage_classes_128K"}
        return 200, headers, xmltodict.unparse({"LifecycleConfiguration": root})

    def head(self: S3Response, bucket_name: str, query: dict[str, Any], key_name: str, headers: dict[str, Any]) -> Any:
        status, answer_headers, body = head_object(self, bucket_name, query, key_name, headers)
        if status == 200:
            version = query.get("versionId", [None])[0]
            key = self.backend.head_object(bucket_name, key_name, version_id=version)
            if key and key.checksum_type == "COMPOSITE":
                name = f"x-amz-checksum-{str(key.checksum_algorithm).lower()}"
                if name in answer_headers:
                    answer_headers[name] = f"{key.checksum_value}-{key.checksum_parts}"
        return status, answer_headers, body

    FakeBucket.get_permission = permission  # type: ignore[method-assign]
    FakeBucket.set_lifecycle = keep  # type: ignore[method-assign]
    FakeBucket.delete_lifecycle = forget  # type: ignore[method-assign]
    S3Response.get_bucket_lifecycle = answer  # type: ignore[method-assign]
    S3Response.head_object = head  # type: ignore[method-assign]


def _alone(method: Callable[..., Any], lock: threading.RLock) -> Callable[..., Any]:
    @functools.wraps(method)
    def locked(*args: Any, **named: Any) -> Any:
        with lock:
            return method(*args, **named)

    return locked
