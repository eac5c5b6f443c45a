"""The AWS for tests itself: what it counts, what it can be made to do wrong, what it refuses."""

from aws.process import Aws


def test_requests_are_told_with_their_bytes(empty_aws: Aws) -> None:
    s3 = empty_aws.client("s3")
    s3.create_bucket(Bucket="data")
    empty_aws.requests(forget=True)
    s3.put_object(Bucket="data", Key="runs/a/ä b.txt", Body=b"x" * 1000)
    assert s3.get_object(Bucket="data", Key="runs/a/ä b.txt")["Body"].read() == b"x" * 1000
    s3.list_objects_v2(Bucket="data", Prefix="runs/")
    seen = [(r["operation"], r["bucket"], r["key"], r["status"], r["received"]) for r in empty_aws.requests()]
    assert seen == [
        ("PutObject", "data", "runs/a/ä b.txt", 200, 1000),
        ("GetObject", "data", "runs/a/ä b.txt", 200, 0),
        ("ListObjectsV2", "data", "runs/", 200, 0),
    ]
    assert empty_aws.requests()[1]["sent"] == 1000
