# Versions of Terraform and of its provider.
#
# No .terraform.lock.hcl is committed: a lock made on one platform, or from a local copy of the provider, holds that
# platform's checksum only and turns every other machine away. Tests use the versions below.

terraform {
  required_version = ">= 1.9, < 2.0"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # 6.0 renames the compute environment's arguments.
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = local.tags
  }
}
