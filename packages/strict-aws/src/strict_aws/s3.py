"""S3: a bucket's lifecycle configuration comes back as it was put, and its policy means what it says, as on AWS.

moto keeps only the parts of a lifecycle that it knows (not `NewerNoncurrentVersions`, nor an empty `And`), and
Terraform, which waits until it reads what it wrote, then waits for nothing. Of a policy it passes over the conditions.
"""

import copy
from typing import Any

import xmltodict
from moto.iam.access_control import PermissionResult
from moto.s3.exceptions import NoSuchLifecycleConfiguration
from moto.s3.models import FakeBucket
from moto.s3.responses import S3Response

from strict_aws import policies


def permission(bucket: FakeBucket, action: str, resource: str) -> PermissionResult:
    """What the bucket's policy says to a call over TLS, as calls are on AWS."""
    if not bucket.policy:
        return PermissionResult.NEUTRAL
    document = policies.parse(bucket.policy.decode())
    context = {"aws:SecureTransport": "true"}
    return VERDICTS[policies.judge([], action, resource, context, resource_policies=[document], principal=OWNER)]


OWNER = "arn:aws:iam::123456789012:root"
VERDICTS = {
    policies.Verdict.ALLOWED: PermissionResult.PERMITTED,
    policies.Verdict.DENIED: PermissionResult.DENIED,
    policies.Verdict.NOT_ALLOWED: PermissionResult.NEUTRAL,
}


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

    FakeBucket.get_permission = permission  # type: ignore[method-assign]
    FakeBucket.set_lifecycle = keep  # type: ignore[method-assign]
    FakeBucket.delete_lifecycle = forget  # type: ignore[method-assign]
    S3Response.get_bucket_lifecycle = answer  # type: ignore[method-assign]
