"""The log of requests."""

from strict_aws import Aws


def test_requests_are_recorded_with_their_bytes(strict_aws: Aws, data: str) -> None:
    s3 = strict_aws.client("s3")
    strict_aws.requests(forget=True)
    s3.put_object(Bucket="data", Key="runs/a/ä b.txt", Body=b"x" * 1000)
    assert s3.get_object(Bucket="data", Key="runs/a/ä b.txt")["Body"].read() == b"x" * 1000
    s3.list_objects_v2(Bucket="data", Prefix="runs/")
    s3.delete_object(Bucket="data", Key="runs/a/ä b.txt")
    strict_aws.client("batch").describe_jobs(jobs=["a"])
    strict_aws.client("iam").list_roles()
    strict_aws.client("ecr").get_authorization_token()
    seen = [(r["service"], r["operation"], r["bucket"], r["key"], r["status"]) for r in strict_aws.requests()]
    assert seen == [
        ("s3", "PutObject", "data", "runs/a/ä b.txt", 200),
        ("s3", "GetObject", "data", "runs/a/ä b.txt", 200),
        ("s3", "ListObjectsV2", "data", "runs/", 200),
        ("s3", "DeleteObject", "data", "runs/a/ä b.txt", 204),
        ("batch", "DescribeJobs", "", "", 200),
        ("iam", "ListRoles", "", "", 200),
        ("ecr", "GetAuthorizationToken", "", "", 200),
    ]
    put, got, *_ = strict_aws.requests(forget=True)
    assert (put["received"], got["received"], got["sent"]) == (1000, 0, 1000)
    assert strict_aws.requests() == []
