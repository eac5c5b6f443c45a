"""How long failed calls are worth repeating."""

import pytest
from botocore.exceptions import (
    EndpointConnectionError,
    MetadataRetrievalError,
    NoCredentialsError,
    ParamValidationError,
    UnauthorizedSSOTokenError,
)

from snakemake_aws_common.patience import EXPIRED, UNREACHABLE, Outage, retry_seconds


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (NoCredentialsError(), EXPIRED),
        (UnauthorizedSSOTokenError(), EXPIRED),
        (MetadataRetrievalError(error_msg="no"), EXPIRED),
        (EndpointConnectionError(endpoint_url="https://batch"), UNREACHABLE),
        (ParamValidationError(report="no"), 0),
    ],
)
def test_for_how_long_a_call_is_repeated(error: Exception, seconds: float) -> None:
    assert retry_seconds(error) == seconds


def test_trouble_lasts_through_calls_that_take_minutes_and_ends_with_a_success(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    trouble = Outage()
    lasted = []
    for now in (100.0, 500.0, 900.0):  # noqa: B007  (the clock reads it)
        lasted.append(trouble.record_failure())
    assert lasted == [0, 400, 800]
    trouble.record_success()
    assert trouble.record_failure() == 0
    now += 3600
    assert trouble.record_failure() == 0
