# What you choose of Airflow (airflow.tf).

variable "airflow" {
  description = "Apache Airflow as a page and a clock for runs (docs/airflow.md). enabled: whether the stack has it; it costs about $40 an idle month in a public network and $51 in a private one, everything included. inbox: whether Airflow starts runs of sheets that are uploaded as raw/NAME/samples.tsv, in place of inbox_budget. budget: US dollars that a run may cost which Airflow's inbox or clock starts, and what its form suggests. keep_database: false lets the database be deleted, without a last snapshot. It needs head_jobs. {}: off, $0."
  type = object({
    enabled       = optional(bool, false)
    inbox         = optional(bool, false)
    budget        = optional(number)
    keep_database = optional(bool, true)
  })
  default  = {}
  nullable = false

  validation {
    condition     = !var.airflow.enabled || var.head_jobs
    error_message = "airflow needs head_jobs = true: Airflow starts runs that are conducted in the cloud."
  }

  validation {
    condition     = !var.airflow.inbox || var.airflow.enabled
    error_message = "airflow.inbox needs airflow.enabled = true; without Airflow, inbox_budget lets uploads start runs."
  }

  validation {
    condition     = !var.airflow.inbox || var.inbox_budget == null
    error_message = "airflow.inbox and inbox_budget would both start the runs of uploaded sheets: choose one, and leave inbox_budget = null or airflow.inbox = false."
  }

  validation {
    condition     = !var.airflow.inbox || var.airflow.budget != null
    error_message = "airflow.inbox needs airflow.budget: no run that an upload starts spends without a limit."
  }

  validation {
    condition     = var.airflow.budget == null || try(var.airflow.budget > 0 && var.airflow.budget <= 1000000, false)
    error_message = "airflow.budget has to be a number of US dollars above 0 and up to 1000000, such as 20; or null."
  }

  validation {
    condition     = !var.airflow.enabled || var.existing_network == null || try(length(distinct(var.existing_network.subnet_ids)) >= 2, false)
    error_message = "airflow needs two subnets of existing_network, in two availability zones: AWS makes no database in fewer."
  }
}

variable "airflow_image_tag" {
  description = "Tag of Airflow's image, without the prefix airflow-: a hash of the image's sources. make deploy sets it. null: only without airflow."
  type        = string
  default     = null

  validation {
    condition     = var.airflow_image_tag == null || (can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", var.airflow_image_tag)) && var.airflow_image_tag != "latest")
    error_message = "airflow_image_tag has to be 1 to 100 letters, digits, dots, hyphens and underscores that name one content, such as \"3f9c0a1b2c4d\"; \"latest\" names another content after each push."
  }

  validation {
    condition     = var.airflow_image_tag != null || !var.airflow.enabled
    error_message = "airflow_image_tag is missing: with airflow.enabled = true it names the image. make deploy builds and pushes the image, and sets this."
  }
}
