# Settings of a laboratory. Set them in terraform.tfvars (see terraform.tfvars.example) or as TF_VAR_<name>.

# ---- the stack -----------------------------------------------------------------------------------------------------

variable "region" {
  description = "AWS region, such as eu-central-1. null: the region of the AWS environment (AWS_REGION, AWS_DEFAULT_REGION or the AWS profile)."
  type        = string
  default     = null

  validation {
    condition     = var.region == null || can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region has to be a region's name, such as \"us-east-1\" or \"eu-central-1\", not a zone (\"us-east-1a\"); or null."
  }
}

variable "stack" {
  description = "Name of the stack: every resource's name begins with it, so that several stacks can live in one account."
  type        = string
  default     = "terraflow"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.stack)) && length(var.stack) >= 2 && length(var.stack) <= 24
    error_message = "stack has to be 2 to 24 lower-case letters, digits and single hyphens, beginning with a letter, such as \"terraflow\" or \"lab-a\"."
  }
}

variable "tags" {
  description = "Your own tags for cost allocation, such as { cost-centre = \"4711\" }. Every resource carries them beside project and stack."
  type        = map(string)
  default     = {}

  validation {
    condition = alltrue([
      for key, value in var.tags : can(regex("^[\\p{L}\\p{N} _.:/=+@-]{1,128}$", key)) && can(regex("^[\\p{L}\\p{N} _.:/=+@-]{0,256}$", value))
    ])
    error_message = "tags may hold letters, digits, spaces and _ . : / = + - @ only: keys of 1 to 128 characters, values of at most 256."
  }

  validation {
    condition     = !anytrue([for key in keys(var.tags) : contains(["project", "stack", "run", "rule", "sample"], lower(key)) || startswith(lower(key), "aws:")])
    error_message = "tags may not hold project, stack, run, rule or sample (in any case), which the stack and the jobs set, nor keys that begin with aws:."
  }

  validation {
    condition     = length(var.tags) <= 20 && length(distinct([for key in keys(var.tags) : lower(key)])) == length(var.tags)
    error_message = "tags may hold at most 20 keys that differ in more than case: both a job and its definition carry them, and AWS fails a job when the two together have more than 50."
  }
}

# ---- images --------------------------------------------------------------------------------------------------------

variable "architecture" {
  description = "Processor that jobs run on: X86_64, or ARM64 (about a fifth cheaper; the images have to be built for it, and not every tool is there for it)."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.architecture)
    error_message = "architecture has to be \"X86_64\" or \"ARM64\"."
  }
}

variable "image_tag" {
  description = "Tag of the images that jobs use, without the prefix worker- or report-: a hash of the images' sources. make deploy sets it."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag has to be 1 to 100 letters, digits, dots, hyphens and underscores that name one content, such as \"3f9c0a1b2c4d\"; \"latest\" names another content after each push."
  }
}

variable "images_kept" {
  description = "How many images of each kind (worker, report, airflow) the repository keeps; older ones are deleted. About $0.10 a GB and month."
  type        = number
  default     = 10

  validation {
    condition     = var.images_kept >= 2 && var.images_kept <= 1000 && floor(var.images_kept) == var.images_kept
    error_message = "images_kept has to be a whole number from 2 to 1000: the repository has to keep the image in use and the one before it."
  }
}

# ---- network -------------------------------------------------------------------------------------------------------

variable "network" {
  description = "private: tasks have no way to the internet and reach AWS through interface endpoints (4, about $0.01 an hour each in each zone: $58 an idle month in two zones; 3 without head_jobs, $44). public: tasks have public addresses and nothing reaches them from outside ($0 an idle month; $0.005 an hour for each running task's address)."
  type        = string
  default     = "private"

  validation {
    condition     = contains(["private", "public"], var.network)
    error_message = "network has to be \"private\" or \"public\"; name a network of your own in existing_network."
  }
}

variable "vpc_cidr" {
  description = "Addresses of the VPC, /16 to /24. Each running task takes one; each zone gets an eighth. $0 an idle month."
  type        = string
  default     = "10.42.0.0/16"

  validation {
    condition = try(
      cidrhost(var.vpc_cidr, 0) == split("/", var.vpc_cidr)[0] && tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 24,
      false,
    )
    error_message = "vpc_cidr has to be an IPv4 network from /16 to /24 that begins at its first address, such as \"10.42.0.0/16\"."
  }
}

variable "zones" {
  description = "Number of availability zones that jobs run in; with more zones, jobs find Spot capacity more often. With network = \"private\" each zone costs about $29 an idle month (4 endpoints; $22 without head_jobs); with \"public\" nothing."
  type        = number
  default     = 2

  validation {
    condition     = var.zones >= 1 && var.zones <= 6 && floor(var.zones) == var.zones
    error_message = "zones has to be a whole number from 1 to 6, and not more than the region has."
  }
}

variable "existing_network" {
  description = "Your own VPC in place of the stack's; network, vpc_cidr and zones are not used then. Its subnets need a way to S3, ECR (api and dkr), CloudWatch Logs and, for head jobs, Batch: a NAT gateway (about $33 an idle month each), endpoints, or an internet gateway with assign_public_ip. The stack adds only the tasks' security group, $0."
  type = object({
    vpc_id           = string
    subnet_ids       = list(string)
    assign_public_ip = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.existing_network == null || can(regex("^vpc-[0-9a-f]{8,17}$", var.existing_network.vpc_id))
    error_message = "existing_network.vpc_id has to be a VPC's id, such as \"vpc-0a1b2c3d4e5f60718\"."
  }

  validation {
    condition = var.existing_network == null || try(
      length(var.existing_network.subnet_ids) >= 1 && length(var.existing_network.subnet_ids) <= 16
      && alltrue([for id in var.existing_network.subnet_ids : can(regex("^subnet-[0-9a-f]{8,17}$", id))]),
      false,
    )
    error_message = "existing_network.subnet_ids has to name 1 to 16 subnets of that VPC, such as [\"subnet-0a1b2c3d4e5f60718\"]."
  }
}

variable "endpoints_check_account" {
  description = "With network = \"private\": whether interface endpoints serve credentials of this account only, so that data can't leave through someone else's. Set false only if tasks can't pull their images otherwise."
  type        = bool
  default     = true
}

# ---- storage -------------------------------------------------------------------------------------------------------

variable "bucket_name" {
  description = "Name of the data bucket; no other bucket in the world may have it. null: <stack>-<account>-<region>."
  type        = string
  default     = null

  validation {
    condition = var.bucket_name == null || (
      can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket_name)) && !can(regex("^(xn--|sthree-|amzn-s3-demo-)|(-s3alias|--ol-s3|--x-s3|--table-s3)$", var.bucket_name))
    )
    error_message = "bucket_name has to be 3 to 63 lower-case letters, digits and hyphens, beginning and ending with a letter or digit (no dots: they break TLS), without AWS's reserved beginnings (xn--, sthree-) and ends (-s3alias, --ol-s3)."
  }
}

variable "kms_key_arn" {
  description = "ARN of your own KMS key for the bucket and the log group ($1 a month, and its requests). The key's policy has to let the region's CloudWatch Logs use it. null: S3's own keys, free."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn has to be a key's ARN, such as \"arn:aws:kms:eu-central-1:123456789012:key/1a2b3c4d-…\", not an alias; or null."
  }
}

variable "old_versions_days" {
  description = "Days that the bucket keeps overwritten and deleted objects (intermediates of runs: one day). These old versions cost as much as any object, about $0.023 a GB and month."
  type        = number
  default     = 30

  validation {
    condition     = var.old_versions_days >= 1 && var.old_versions_days <= 3650 && floor(var.old_versions_days) == var.old_versions_days
    error_message = "old_versions_days has to be a whole number from 1 to 3650."
  }
}

variable "intermediates_days" {
  description = "Days after which S3 deletes objects below runs/ with the tag terraflow:lifetime=intermediate. A run deletes its own intermediates; an abandoned run can't."
  type        = number
  default     = 14

  validation {
    condition     = var.intermediates_days >= 1 && var.intermediates_days <= 3650 && floor(var.intermediates_days) == var.intermediates_days
    error_message = "intermediates_days has to be a whole number from 1 to 3650, and more than the longest run takes."
  }
}

variable "force_destroy" {
  description = "true: terraform destroy deletes the bucket with all data in it, and the repository with all images. false: terraform destroy refuses while they hold anything."
  type        = bool
  default     = false
}

variable "input_buckets" {
  description = "Names of other buckets, such as a sequencing core's, that jobs and the people who run them may read. In a private network the buckets have to lie in the stack's region."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.input_buckets : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", name))])
    error_message = "input_buckets has to hold names of buckets, such as [\"sequencing-core\"], without s3:// and without paths."
  }

  validation {
    condition     = length(var.input_buckets) <= 3
    error_message = "input_buckets may hold at most 3 names: an IAM policy has no room for more."
  }
}

# ---- compute -------------------------------------------------------------------------------------------------------

variable "spot_max_vcpus" {
  description = "Fargate Spot vCPUs that jobs may use at a time: a limit, not a reservation; $0 idle. The account's quota (Service Quotas, Fargate) applies as well."
  type        = number
  default     = 256

  validation {
    condition     = var.spot_max_vcpus >= 1 && var.spot_max_vcpus <= 100000 && floor(var.spot_max_vcpus) == var.spot_max_vcpus
    error_message = "spot_max_vcpus has to be a whole number from 1 to 100000."
  }
}

variable "ondemand_max_vcpus" {
  description = "Fargate on-demand vCPUs that jobs may use at a time; $0 idle. A new account's quota is 6."
  type        = number
  default     = 64

  validation {
    condition     = var.ondemand_max_vcpus >= 1 && var.ondemand_max_vcpus <= 100000 && floor(var.ondemand_max_vcpus) == var.ondemand_max_vcpus
    error_message = "ondemand_max_vcpus has to be a whole number from 1 to 100000."
  }
}

variable "head_jobs" {
  description = "Whether a whole run can be a job itself. true: the stack has a queue, a role and a job definition for head jobs and, with network = \"private\", an endpoint for Batch ($14.60 an idle month in two zones). false: runs are conducted from your machine only."
  type        = bool
  default     = true
}

variable "head_max_vcpus" {
  description = "On-demand vCPUs that head jobs may use at a time, beside ondemand_max_vcpus, so that head jobs never take the vCPUs that their own jobs wait for. A head has one, and launchers of the inbox (half of one each) wait for room, too; notify_email tells of one that waits for an hour. $0 idle."
  type        = number
  default     = 4

  validation {
    condition     = var.head_max_vcpus >= 1 && var.head_max_vcpus <= 1000 && floor(var.head_max_vcpus) == var.head_max_vcpus
    error_message = "head_max_vcpus has to be a whole number from 1 to 1000."
  }
}

variable "disk_gib" {
  description = "Disk sizes that jobs can have, in GiB; each size has its job definition. The first 20 GiB of a task are free, the rest is $0.000111 a GiB-hour while the task runs."
  type        = list(number)
  default     = [20, 50, 100, 200]

  validation {
    condition     = length(var.disk_gib) >= 1 && length(var.disk_gib) <= 6 && length(distinct(var.disk_gib)) == length(var.disk_gib) && alltrue([for size in var.disk_gib : size >= 20 && size <= 200 && floor(size) == size])
    error_message = "disk_gib has to hold 1 to 6 whole numbers from 20 to 200, each once, such as [20, 50, 100, 200]: Fargate gives no less and no more, and an IAM policy has room for six."
  }
}

variable "attempts" {
  description = "Attempts that Batch gives a job whose task AWS has taken away or could not start. Batch never repeats a tool that failed or ran out of memory."
  type        = number
  default     = 3

  validation {
    condition     = var.attempts >= 1 && var.attempts <= 10 && floor(var.attempts) == var.attempts
    error_message = "attempts has to be a whole number from 1 to 10."
  }
}

variable "stuck_seconds" {
  description = "Seconds after which a queue ends a job that can never start, as AWS reports it (larger than the queue's limit, or misconfigured). A job that waits for a quota or for Spot capacity is not ended."
  type        = number
  default     = 1800

  validation {
    condition     = var.stuck_seconds >= 600 && var.stuck_seconds <= 86400 && floor(var.stuck_seconds) == var.stuck_seconds
    error_message = "stuck_seconds has to be a whole number from 600 to 86400: AWS Batch accepts no other."
  }
}

variable "read_only_root" {
  description = "Whether tasks can write to their work folder only, a volume on the task's disk. Set false only if every terraform plan shows changed job definitions although nothing has changed, or if the port of Airflow's page can't be forwarded."
  type        = bool
  default     = true
}

variable "timeout_hours" {
  description = "Hours after which Batch ends an attempt of a job whose rule names no time of its own, so that a hanging job stops costing money."
  type        = number
  default     = 24

  validation {
    condition     = var.timeout_hours >= 1 && var.timeout_hours <= 336 && floor(var.timeout_hours) == var.timeout_hours
    error_message = "timeout_hours has to be a whole number from 1 to 336: AWS may end any Fargate task after 14 days."
  }
}

# ---- logs ----------------------------------------------------------------------------------------------------------

variable "log_retention_days" {
  description = "Days that the jobs' logs are kept ($0.50 a GB written, $0.03 a GB and month kept)."
  type        = number
  default     = 90

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days has to be one of CloudWatch's numbers of days: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

# ---- started without anybody ---------------------------------------------------------------------------------------

variable "inbox_budget" {
  description = "US dollars that a run may cost which nobody started by hand; it switches the inbox on: a sheet that is uploaded as raw/NAME/samples.tsv starts run NAME. About $0.46 an idle month in a private network and $0.52 in a public one: each hour a job of a minute looks for sheets whose files were missing. It needs head_jobs. Outside us-east-1, us-east-2 and us-west-2 it is reckoned with higher prices than AWS's: docs/costs.md. null: off, $0."
  type        = number
  default     = null

  validation {
    condition     = var.inbox_budget == null || try(var.inbox_budget > 0 && var.inbox_budget <= 1000000, false)
    error_message = "inbox_budget has to be a number of US dollars above 0 and up to 1000000, such as 20; or null."
  }

  validation {
    condition     = var.inbox_budget == null || var.head_jobs
    error_message = "inbox_budget needs head_jobs = true: a run that nobody started by hand is conducted in the cloud."
  }
}

variable "schedule" {
  description = "When the launcher looks for sheets in the inbox whose run is not done, failed ones included: rate(1 day) or cron(0 5 * * ? *), in UTC, as EventBridge Scheduler has it. $0.0006 each time that there is nothing to do ($0.02 an idle month for rate(1 day)), in a private and in a public network. It needs inbox_budget. null: off, $0."
  type        = string
  default     = null

  validation {
    condition     = var.schedule == null || can(regex("^(rate\\([1-9][0-9]* (minutes?|hours?|days?)\\)|cron\\(([^ ()]+ ){5}[^ ()]+\\))$", var.schedule))
    error_message = "schedule has to be rate(NUMBER UNIT) or cron(MINUTES HOURS DAY-OF-MONTH MONTH DAY-OF-WEEK YEAR), such as \"rate(1 day)\" or \"cron(0 5 * * ? *)\"; or null."
  }

  validation {
    condition     = var.schedule == null || var.inbox_budget != null
    error_message = "schedule needs inbox_budget: no run that the clock starts spends without a limit."
  }
}

variable "notify_email" {
  description = "Address that gets an e-mail when a run ends, fails, is over budget or waits for long, and when a sheet in the inbox is refused. AWS first asks the address to confirm. $0 an idle month in a private and in a public network (a function outside the network that runs for a second; the first 1,000 e-mails of a month are free). It needs head_jobs. null: off, $0."
  type        = string
  default     = null

  validation {
    condition     = var.notify_email == null || can(regex("^[^@,;[:space:]]+@[^@,;[:space:]]+\\.[^@,;[:space:]]+$", var.notify_email))
    error_message = "notify_email has to be one e-mail address, such as \"lab@example.org\"; or null."
  }

  validation {
    condition     = var.notify_email == null || var.head_jobs
    error_message = "notify_email needs head_jobs = true: news are of runs that are conducted in the cloud."
  }
}

variable "news_zip" {
  description = "Path of the code of the function that notify_email needs. null: news.zip beside this file, which make deploy writes."
  type        = string
  default     = null

  validation {
    condition     = var.news_zip == null || can(regex("^[^[:space:]].*$", var.news_zip))
    error_message = "news_zip has to be the path of a file; or null."
  }
}
