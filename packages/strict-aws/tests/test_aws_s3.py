"""S3: lifecycles, bucket policies and conditional writes."""

import json
import subprocess
import sys

from strict_aws import Aws
from strict_helpers import code, status

# Eight writers at once, and then eight who remove what they have seen, of an S3 that takes its time to store.
RACE = """
import time
from concurrent.futures import ThreadPoolExecutor
from moto.moto_server.werkzeug_app import create_backend_app
from moto.s3.models import S3Backend
from strict_aws import s3

def slow(method):
    def slower(*args, **named):
        time.sleep(0.05)
        return method(*args, **named)
    return slower

s3.patch()
S3Backend.put_object, S3Backend.delete_object = slow(S3Backend.put_object), slow(S3Backend.delete_object)
app = create_backend_app("s3")

def call(method, condition):
    headers = {**condition, "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request"}
    answer = app.test_client().open("http://s3.amazonaws.com/data/a", method=method, data="{}", headers=headers)
    return answer.status_code, answer.headers.get("ETag")

app.test_client().put("http://s3.amazonaws.com/data")
with ThreadPoolExecutor(8) as pool:
    for method in ("PUT", "DELETE"):
        condition = {"If-None-Match": "*"} if method == "PUT" else {"If-Match": etag}
        answers = [one.result() for one in [pool.submit(call, method, condition) for _ in range(8)]]
        etag = next((tag for _, tag in answers if tag), None)
        print(method, *sorted(status for status, _ in answers))
"""


def test_a_lifecycle_comes_back_as_it_was_put(strict_aws: Aws, data: str) -> None:
    s3 = strict_aws.client("s3")
    rule = {
        "ID": "old",
        "Status": "Enabled",
        "Filter": {"And": {"Prefix": "runs/", "Tags": [{"Key": "a", "Value": "b"}]}},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 30, "NewerNoncurrentVersions": 2},
    }
    s3.put_bucket_lifecycle_configuration(Bucket="data", LifecycleConfiguration={"Rules": [rule]})
    assert s3.get_bucket_lifecycle_configuration(Bucket="data")["Rules"] == [rule]
    s3.delete_bucket_lifecycle(Bucket="data")
    assert code(s3.get_bucket_lifecycle_configuration, Bucket="data") == "NoSuchLifecycleConfiguration"


def test_a_checksum_of_parts_is_marked_as_one(strict_aws: Aws, data: str) -> None:
    s3, name = strict_aws.client("s3"), {"Bucket": "data", "Key": "parts"}
    upload = name | {"UploadId": s3.create_multipart_upload(**name, ChecksumAlgorithm="CRC32")["UploadId"]}
    part = s3.upload_part(**upload, PartNumber=1, Body=b"123456789", ChecksumAlgorithm="CRC32")
    parts = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32": "y/Q5Jg=="}]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    asked = s3.head_object(**name, ChecksumMode="ENABLED")["ChecksumCRC32"]
    assert asked.endswith("==-1") and asked != "y/Q5Jg==-1"
    assert s3.get_object(**name, ChecksumMode="ENABLED")["ChecksumCRC32"] == asked
    assert "ChecksumCRC32" not in s3.head_object(**name)


def test_a_bucket_policy_is_evaluated_with_its_conditions(fresh_strict_aws: Aws) -> None:
    s3 = fresh_strict_aws.client("s3")
    s3.create_bucket(Bucket="guarded")
    for transport, outcome in (("false", 200), ("true", 403)):
        statement = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:PutObject",
            "Resource": "arn:aws:s3:::guarded/*",
            "Condition": {"Bool": {"aws:SecureTransport": transport}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        s3.put_bucket_policy(Bucket="guarded", Policy=policy)
        assert status(s3.put_object, Bucket="guarded", Key="a", Body=b"a") == outcome


def test_of_conditional_writes_at_once_one_is_taken() -> None:
    raced = subprocess.run([sys.executable, "-c", RACE], capture_output=True, text=True, check=False)
    assert raced.stdout.splitlines() == [
        "PUT 200 412 412 412 412 412 412 412",
        "DELETE 204 404 404 404 404 404 404 404",
    ], raced.stderr
