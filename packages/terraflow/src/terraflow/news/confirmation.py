"""Whether the address for news has been confirmed: until then AWS sends it nothing."""

from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from terraflow.stack import Stack

# In the place of a subscription's ARN.
PENDING = "PendingConfirmation"


def notes(stack: Stack, sns: Any = None) -> list[str]:  # noqa: ANN401
    """Return a note for each address that has to be confirmed; none for a stack without news."""
    if stack.news_topic_arn is None:
        return []
    sns = sns or boto3.client("sns", region_name=stack.region)
    try:
        pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=stack.news_topic_arn)
        found = [one for page in pages for one in page["Subscriptions"]]
    except (BotoCoreError, ClientError) as error:
        return [f"Whether the address for news was confirmed could not be read: {error}"]
    return [
        f"AWS has asked {one['Endpoint']} by e-mail to confirm that it wants news: until then it gets none."
        for one in found
        if one["SubscriptionArn"] == PENDING
    ]
