# Values that several files use.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name

  # Every resource that takes tags has these; the user's own can't override project and stack.
  tags = merge(var.tags, { project = "terraflow", stack = var.stack })
}
