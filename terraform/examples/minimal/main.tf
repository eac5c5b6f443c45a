# The stack with its defaults, but in public subnets: nothing costs anything while no job runs.

terraform {
  required_version = ">= 1.9, < 2.0"
}

variable "image_tag" {
  description = "Tag of the images, without its prefix worker- or report-: what `terraflow image` prints behind worker-."
  type        = string
}

module "terraflow" {
  source = "../.." # in a copy: the path or the git address of the project's folder terraform/

  region    = "eu-central-1"
  image_tag = var.image_tag

  network = "public"
}

output "stack" {
  description = "Everything that Snakemake's profile has to know."
  value       = module.terraflow
}
