module "terraflow" {
  source = "../.."

  region    = "eu-central-1"
  image_tag = var.image_tag
}

variable "image_tag" {
  description = "What `terraflow image --tag` prints."
  type        = string
}

output "stack" {
  value = module.terraflow
}
