# The stack in a VPC that is there already, with private subnets and no way out: the endpoints that its tasks need are
# made here.

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
  description = "Region of the VPC."
  type        = string
  default     = "eu-central-1"
}

variable "vpc_id" {
  description = "The VPC. It needs DNS support and DNS host names, so that the endpoints' names resolve."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets for tasks, one in each zone."
  type        = list(string)
}

variable "route_table_ids" {
  description = "The subnets' route tables: the way to S3 is entered into them."
  type        = list(string)
}

provider "aws" {
  region = var.region
}

data "aws_vpc" "this" {
  id = var.vpc_id
}

# S3, and with it the layers of images: free.
resource "aws_vpc_endpoint" "s3" {
  vpc_id            = var.vpc_id
  service_name      = "com.amazonaws.${var.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = var.route_table_ids
}

resource "aws_security_group" "endpoints" {
  name        = "terraflow-endpoints"
  description = "The VPC reaches AWS services by HTTPS"
  vpc_id      = var.vpc_id

  ingress {
    description = "HTTPS from the VPC"
    protocol    = "tcp"
    from_port   = 443
    to_port     = 443
    cidr_blocks = [data.aws_vpc.this.cidr_block]
  }
}

# About $7.30 a month for each service and subnet. Leave out the services for which the VPC has endpoints.
resource "aws_vpc_endpoint" "services" {
  for_each = toset(["ecr.api", "ecr.dkr", "logs", "batch"])

  vpc_id              = var.vpc_id
  service_name        = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = var.subnet_ids
  security_group_ids  = [aws_security_group.endpoints.id]
  private_dns_enabled = true
}

module "terraflow" {
  source = "../.." # in a copy: the path or the git address of the project's folder terraform/

  region    = var.region
  image_tag = var.image_tag

  existing_network = {
    vpc_id     = var.vpc_id
    subnet_ids = var.subnet_ids
  }
}

output "stack" {
  description = "Everything that Snakemake's profile has to know."
  value       = module.terraflow
}
