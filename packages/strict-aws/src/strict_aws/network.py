"""EC2: every security group rule has its description. moto keeps it for rules that name addresses only."""

from moto.ec2.models.security_groups import SecurityGroupRule

Target = dict[str, str] | None


def patch() -> None:
    """Make moto keep the descriptions of rules that name a group or a prefix list."""
    original = SecurityGroupRule.__init__

    def __init__(
        self: SecurityGroupRule,
        ec2_backend: object,
        ip_protocol: str,
        group_id: str,
        from_port: str | None,
        to_port: str | None,
        ip_range: Target,
        source_group: Target = None,
        prefix_list_id: Target = None,
        **rest: object,
    ) -> None:
        target = (ip_range, source_group, prefix_list_id)
        original(self, ec2_backend, ip_protocol, group_id, from_port, to_port, *target, **rest)  # type: ignore[arg-type]
        described = (given["Description"] for given in target if given and "Description" in given)
        self.given_description = next(described, None)  # type: ignore[attr-defined]

    def description(self: SecurityGroupRule) -> str | None:
        changed: str | None = self.ip_range.get("Description")
        return changed or self.given_description  # type: ignore[attr-defined]

    SecurityGroupRule.__init__ = __init__  # type: ignore[method-assign,assignment]
    SecurityGroupRule.description = property(description)  # type: ignore[assignment,method-assign]
