"""EC2: descriptions of security group rules."""

import pytest

from strict_aws import Aws


@pytest.mark.parametrize("kind", ["address", "group", "prefix list"])
def test_a_rule_has_its_description(strict_aws: Aws, kind: str) -> None:
    ec2 = strict_aws.client("ec2")
    group = ec2.create_security_group(GroupName=kind.replace(" ", "-"), Description="tasks")["GroupId"]
    lists = ec2.describe_managed_prefix_lists()["PrefixLists"]
    targets = {
        "address": {"IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "why"}]},
        "group": {"UserIdGroupPairs": [{"GroupId": group, "Description": "why"}]},
        "prefix list": {"PrefixListIds": [{"PrefixListId": lists[0]["PrefixListId"], "Description": "why"}]},
    }
    permission = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, **targets[kind]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
    assert [rule.get("Description") for rule in rules if not rule["IsEgress"]] == ["why"]
