# What several files need to know.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name

  # On every resource that takes tags; the user's own can't hide these two.
  tags = merge(var.tags, { project = "terraflow", stack = var.stack })
}
