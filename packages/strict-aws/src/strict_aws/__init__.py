"""A strict AWS for tests: moto's server that refuses what AWS refuses and runs Batch jobs in real containers.

`running()` starts a server and gives an `Aws` to call it with. The modules `fargate`, `policies` and `terraform_plan`
are of use without a server: they check requests, judge IAM policies and read a Terraform plan.
"""

from strict_aws.client import Aws
from strict_aws.constants import ACCOUNT, LABEL, REGION
from strict_aws.process import running

__all__ = ["ACCOUNT", "LABEL", "REGION", "Aws", "running"]
