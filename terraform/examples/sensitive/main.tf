# The stack for several people and sensitive data: a key of your own encrypts the bucket and the logs, and a group may run
# workflows and nothing else.

terraform {
  required_version = ">= 1.9, < 2.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

variable "image_tag" {
  description = "Tag of the images, without its prefix worker- or report-: what `terraflow image` prints behind worker-."
  type        = string
}

variable "region" {
  description = "Region of the stack."
  type        = string
  default     = "eu-central-1"
}

provider "aws" {
  region = var.region
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  stack = "clinic"
  arn   = "arn:${data.aws_partition.current.partition}"
}

# Who may use the key is decided by IAM policies of the account, as the stack's roles and its submit policy do.
data "aws_iam_policy_document" "key" {
  #checkov:skip=CKV_AWS_109:A key's policy speaks of its own key only
  #checkov:skip=CKV_AWS_111:A key's policy speaks of its own key only
  #checkov:skip=CKV_AWS_356:A key's policy speaks of its own key only
  statement {
    sid       = "Account"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["${local.arn}:iam::${data.aws_caller_identity.current.account_id}:root"]
    }
  }

  statement {
    sid       = "Logs"
    actions   = ["kms:Decrypt*", "kms:Describe*", "kms:Encrypt*", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["logs.${var.region}.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values   = ["${local.arn}:logs:${var.region}:${data.aws_caller_identity.current.account_id}:log-group:/terraflow/${local.stack}"]
    }
  }
}

resource "aws_kms_key" "data" {
  description             = "Bucket and logs of ${local.stack}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = data.aws_iam_policy_document.key.json
}

module "terraflow" {
  source = "../.." # in a copy: the path or the git address of the project's folder terraform/

  region    = var.region
  stack     = local.stack
  image_tag = var.image_tag

  kms_key_arn        = aws_kms_key.data.arn
  old_versions_days  = 90
  log_retention_days = 365
}

# Add people to this group, by IAM or by your identity provider.
resource "aws_iam_group" "people" {
  name = "${local.stack}-people"
}

resource "aws_iam_group_policy_attachment" "people" {
  group      = aws_iam_group.people.name
  policy_arn = module.terraflow.submit_policy_arn
}

output "stack" {
  description = "Everything that Snakemake's profile has to know."
  value       = module.terraflow
}
