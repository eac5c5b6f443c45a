# The resources of the stack, with its defaults and in each of its other forms.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

override_resource {
  target          = aws_iam_role.execution
  override_during = plan
  values          = { arn = "arn:aws:iam::123456789012:role/execution" }
}

override_resource {
  target          = aws_iam_role.job
  override_during = plan
  values          = { arn = "arn:aws:iam::123456789012:role/job" }
}

override_resource {
  target          = aws_iam_role.head
  override_during = plan
  values          = { arn = "arn:aws:iam::123456789012:role/head" }
}

variables {
  image_tag = "3f9c0a1b2c4d"
}

run "defaults" {
  command = plan

  # network
  assert {
    condition     = length(aws_subnet.this) == 2 && aws_subnet.this[0].cidr_block == "10.42.0.0/19" && aws_subnet.this[1].cidr_block == "10.42.32.0/19"
    error_message = "Two subnets, each an eighth of the VPC, and none in the other's place."
  }
  assert {
    condition     = aws_subnet.this[0].availability_zone != aws_subnet.this[1].availability_zone
    error_message = "Subnets lie in different zones."
  }
  assert {
    condition     = length(aws_internet_gateway.this) == 0 && length(aws_route.internet) == 0
    error_message = "A private network has no way to the internet."
  }
  assert {
    condition     = toset(keys(aws_vpc_endpoint.interface)) == toset(["batch", "ecr.api", "ecr.dkr", "logs"]) && alltrue([for e in aws_vpc_endpoint.interface : e.private_dns_enabled])
    error_message = "Tasks reach ECR, logs and Batch by their usual names."
  }
  assert {
    condition     = aws_vpc_endpoint.interface["ecr.api"].service_name == "com.amazonaws.eu-central-1.ecr.api" && aws_vpc_endpoint.s3[0].vpc_endpoint_type == "Gateway"
    error_message = "Endpoints are those of the region, and S3's is free."
  }
  assert {
    condition     = length(aws_default_security_group.closed[0].ingress) == 0 && length(aws_default_security_group.closed[0].egress) == 0
    error_message = "The VPC's default security group lets nothing through."
  }

  # storage
  assert {
    condition     = aws_s3_bucket.data.bucket == "terraflow-123456789012-eu-central-1" && aws_s3_bucket.data.force_destroy == false
    error_message = "The bucket's name holds stack, account and region, and data can't be destroyed by accident."
  }
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.data.block_public_acls, aws_s3_bucket_public_access_block.data.block_public_policy,
      aws_s3_bucket_public_access_block.data.ignore_public_acls, aws_s3_bucket_public_access_block.data.restrict_public_buckets,
    ])
    error_message = "All public access is blocked."
  }
  assert {
    condition     = aws_s3_bucket_versioning.data.versioning_configuration[0].status == "Enabled" && aws_s3_bucket_ownership_controls.data.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "Objects are versioned and belong to the bucket's owner."
  }
  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.data.rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256"
    error_message = "Objects are encrypted with S3's keys."
  }
  assert {
    condition = (
      [for rule in aws_s3_bucket_lifecycle_configuration.data.rule : rule.expiration[0].days if rule.id == "intermediates"] == [14]
      && [for rule in aws_s3_bucket_lifecycle_configuration.data.rule : rule.expiration[0].expired_object_delete_marker if rule.id == "old-versions"] == [true]
      && [for rule in aws_s3_bucket_lifecycle_configuration.data.rule : length(rule.expiration) if rule.id == "aborted-uploads"] == [0]
    )
    error_message = "Only intermediates expire by age."
  }
  assert {
    condition = [for rule in aws_s3_bucket_lifecycle_configuration.data.rule : [rule.filter[0].and[0].prefix, rule.filter[0].and[0].tags["terraflow:lifetime"]] if rule.id == "intermediates"] == [
      ["runs/", "intermediate"]
    ]
    error_message = "Intermediates lie below runs/ and are tagged."
  }
  assert {
    condition = {
      for rule in aws_s3_bucket_lifecycle_configuration.data.rule : rule.id => [
        try(rule.abort_incomplete_multipart_upload[0].days_after_initiation, 0), try(rule.noncurrent_version_expiration[0].noncurrent_days, 0),
      ] } == {
      aborted-uploads = [7, 0], old-versions = [0, 30], intermediates = [0, 1]
    }
    error_message = "Uploads have a week (slow lines need days), old versions of intermediates a day, other old versions 30."
  }

  # registry
  assert {
    condition     = aws_ecr_repository.this.image_tag_mutability == "IMMUTABLE" && aws_ecr_repository.this.image_scanning_configuration[0].scan_on_push && !aws_ecr_repository.this.force_delete
    error_message = "Tags never move, images are scanned, and the repository is not deleted with images in it."
  }
  assert {
    condition     = [for rule in jsondecode(aws_ecr_lifecycle_policy.this.policy).rules : try(rule.selection.tagPrefixList, [])] == [[], ["worker-"], ["report-"]]
    error_message = "Images of each kind are counted apart."
  }

  # batch
  assert {
    condition = { for kind, environment in aws_batch_compute_environment.this : kind => "${environment.compute_resources[0].type} ${environment.compute_resources[0].max_vcpus}" } == {
      spot = "FARGATE_SPOT 256", ondemand = "FARGATE 64", head = "FARGATE 4"
    }
    error_message = "There are environments for Spot, on demand and heads, each with its limit."
  }
  assert {
    condition     = { for kind, queue in aws_batch_job_queue.this : kind => queue.name } == { spot = "terraflow-spot", ondemand = "terraflow-ondemand", head = "terraflow-head" }
    error_message = "Queues are found by name."
  }
  assert {
    condition     = alltrue([for queue in aws_batch_job_queue.this : queue.state == "ENABLED" && queue.scheduling_policy_arn == null && length(queue.compute_environment_order) == 1])
    error_message = "Queues are on, first in first out, and never mix Spot with on demand."
  }
  assert {
    condition = alltrue([
      for queue in aws_batch_job_queue.this : toset([
        for limit in queue.job_state_time_limit_action : "${limit.reason} ${limit.state} ${limit.action} ${limit.max_time_seconds}"
      ]) == toset([for reason in ["COMPUTE_ENVIRONMENT_MAX_RESOURCE", "JOB_RESOURCE_REQUIREMENT"] : "MISCONFIGURATION:${reason} RUNNABLE CANCEL 1800"])
    ])
    error_message = "Queues end jobs that can never start, and no others."
  }
  assert {
    condition = toset(values(aws_batch_job_definition.this)[*].name) == toset([
      "terraflow-worker-20gib", "terraflow-worker-50gib", "terraflow-worker-100gib", "terraflow-worker-200gib", "terraflow-report", "terraflow-head",
    ])
    error_message = "There is a definition for each disk size, for reports and for heads."
  }
  assert {
    condition = alltrue([
      for definition in aws_batch_job_definition.this :
      definition.platform_capabilities == toset(["FARGATE"]) && definition.propagate_tags
      && jsondecode(definition.container_properties).executionRoleArn == "arn:aws:iam::123456789012:role/execution"
      && jsondecode(definition.container_properties).networkConfiguration.assignPublicIp == "DISABLED"
      && jsondecode(definition.container_properties).runtimePlatform.cpuArchitecture == "X86_64"
      && jsondecode(definition.container_properties).logConfiguration.options["awslogs-group"] == "/terraflow/terraflow"
      && jsondecode(definition.container_properties).logConfiguration.options["mode"] == "blocking"
      && !can(jsondecode(definition.container_properties).privileged)
      && jsondecode(definition.container_properties).readonlyRootFilesystem
      && jsondecode(definition.container_properties).mountPoints[0].sourceVolume == jsondecode(definition.container_properties).volumes[0].name
    ])
    error_message = "Definitions are valid for Fargate, with logs that lose no line, propagated tags, no public address and one writable folder."
  }
  assert {
    condition = { for kind, definition in aws_batch_job_definition.this : kind => try(jsondecode(definition.container_properties).ephemeralStorage.sizeInGiB, 20) } == {
      worker-20gib = 20, worker-50gib = 50, worker-100gib = 100, worker-200gib = 200, report = 20, head = 20
    }
    error_message = "Disk sizes are those of the names; 20 GiB is not requested."
  }
  assert {
    condition     = !can(jsondecode(aws_batch_job_definition.this["worker-20gib"].container_properties).ephemeralStorage)
    error_message = "Fargate refuses a request for 20 GiB."
  }
  assert {
    condition = { for kind, definition in aws_batch_job_definition.this : kind => reverse(split("/", jsondecode(definition.container_properties).jobRoleArn))[0] } == {
      worker-20gib = "job", worker-50gib = "job", worker-100gib = "job", worker-200gib = "job", report = "job", head = "head"
    }
    error_message = "Only heads may submit jobs."
  }
  assert {
    condition = { for kind, definition in aws_batch_job_definition.this : kind => reverse(split("/", jsondecode(definition.container_properties).image))[0] } == {
      worker-20gib  = "terraflow:worker-3f9c0a1b2c4d", worker-50gib = "terraflow:worker-3f9c0a1b2c4d", worker-100gib = "terraflow:worker-3f9c0a1b2c4d",
      worker-200gib = "terraflow:worker-3f9c0a1b2c4d", report = "terraflow:report-3f9c0a1b2c4d", head = "terraflow:worker-3f9c0a1b2c4d"
    }
    error_message = "Images have the tag that was given; reports have their own image."
  }
  assert {
    condition = alltrue([
      for kind, definition in aws_batch_job_definition.this : kind == "head" ||
      definition.retry_strategy[0].attempts == 3
      && [for rule in definition.retry_strategy[0].evaluate_on_exit : "${rule.action} ${try(coalesce(rule.on_status_reason), "")}|${try(coalesce(rule.on_reason), "")}"] == [
        "EXIT Essential container in task exited*|", "EXIT OutOfMemoryError*|", "EXIT Container Overrides length*|", "EXIT |OutOfMemoryError*",
      ]
    ])
    error_message = "An attempt that ended by itself, or would end the same way, exits; Batch repeats all others, whatever their reason."
  }
  assert {
    condition = (
      aws_batch_job_definition.this["head"].retry_strategy[0].attempts == 10
      && [for rule in aws_batch_job_definition.this["head"].retry_strategy[0].evaluate_on_exit : "${rule.action} ${rule.on_exit_code} ${try(coalesce(rule.on_status_reason, rule.on_reason), "")}"] == ["EXIT 6* "]
    )
    error_message = "A head ends by its own exit codes only, and is started again after all else."
  }
  assert {
    condition     = aws_batch_job_definition.this["worker-20gib"].timeout[0].attempt_duration_seconds == 86400 && aws_batch_job_definition.this["head"].timeout[0].attempt_duration_seconds == 1209600
    error_message = "Jobs end after a day, heads after two weeks."
  }

  # outputs
  assert {
    condition     = output.job_definitions == { "20" = "terraflow-worker-20gib", "50" = "terraflow-worker-50gib", "100" = "terraflow-worker-100gib", "200" = "terraflow-worker-200gib" }
    error_message = "Definitions are found by disk size."
  }
  assert {
    condition     = output.images.worker == "123456789012.dkr.ecr.eu-central-1.amazonaws.com/terraflow:worker-3f9c0a1b2c4d" && output.image_tag == "3f9c0a1b2c4d"
    error_message = "Images are named in full."
  }
  assert {
    condition     = output.tags == { project = "terraflow", stack = "terraflow" } && output.log_group == "/terraflow/terraflow" && output.region == "eu-central-1"
    error_message = "Outputs name tags, log group and region."
  }
}

run "public" {
  command = plan

  variables {
    network = "public"
    zones   = 3
  }

  assert {
    condition     = length(aws_vpc_endpoint.interface) == 0 && length(aws_security_group.endpoints) == 0 && length(aws_vpc_endpoint.s3) == 1
    error_message = "No endpoint costs money; S3's free one stays."
  }
  assert {
    condition     = length(aws_internet_gateway.this) == 1 && aws_route.internet[0].destination_cidr_block == "0.0.0.0/0" && length(aws_subnet.this) == 3
    error_message = "The network has a way out, in three zones."
  }
  assert {
    condition     = alltrue([for definition in aws_batch_job_definition.this : jsondecode(definition.container_properties).networkConfiguration.assignPublicIp == "ENABLED"])
    error_message = "Tasks need public addresses to reach anything."
  }
}

run "without_heads" {
  command = plan

  variables {
    head_jobs = false
  }

  assert {
    condition     = toset(keys(aws_vpc_endpoint.interface)) == toset(["ecr.api", "ecr.dkr", "logs"])
    error_message = "No task calls Batch, so there is one endpoint less."
  }
  assert {
    condition     = keys(aws_batch_job_queue.this) == ["ondemand", "spot"] && keys(aws_batch_compute_environment.this) == ["ondemand", "spot"] && !contains(keys(aws_batch_job_definition.this), "head")
    error_message = "There is neither a queue nor a definition for heads."
  }
  assert {
    condition     = length(aws_iam_role.head) == 0 && length(aws_iam_role_policy.head) == 0 && output.head_role_arn == null && output.head_job_definition == null
    error_message = "There is no role for heads."
  }
  assert {
    condition     = !anytrue([for resource in data.aws_iam_policy_document.submit.statement[*].resources : anytrue([for arn in resource : strcontains(arn, "terraflow-head")])])
    error_message = "Nobody may submit to a queue that does not exist."
  }
}

# Two settings whose effect only a real account shows: each can be switched off.
run "switched_off" {
  command = plan

  variables {
    endpoints_check_account = false
    read_only_root          = false
  }

  assert {
    condition     = alltrue([for document in data.aws_iam_policy_document.endpoint : length(one(document.statement).condition) == 0])
    error_message = "Interface endpoints check no account."
  }
  assert {
    condition     = anytrue([for statement in data.aws_iam_policy_document.s3_endpoint[0].statement : length(statement.condition) == 1])
    error_message = "S3's endpoint still checks the account."
  }
  assert {
    condition = alltrue([
      for definition in aws_batch_job_definition.this :
      length(setintersection(["readonlyRootFilesystem", "volumes", "mountPoints"], keys(jsondecode(definition.container_properties)))) == 0
    ])
    error_message = "Tasks have no volume and may write anywhere."
  }
}

run "own_network" {
  command = plan

  variables {
    existing_network = { vpc_id = "vpc-00000000000000001", subnet_ids = ["subnet-00000000000000001", "subnet-00000000000000002"] }
  }

  assert {
    condition = sum([
      length(aws_vpc.this), length(aws_subnet.this), length(aws_route_table.this), length(aws_internet_gateway.this), length(aws_vpc_endpoint.s3),
      length(aws_vpc_endpoint.interface), length(aws_security_group.endpoints), length(aws_default_security_group.closed),
    ]) == 0
    error_message = "The stack makes no network."
  }
  assert {
    condition     = aws_security_group.tasks.vpc_id == "vpc-00000000000000001"
    error_message = "The tasks' security group lies in the VPC that was named."
  }
  assert {
    condition = alltrue([
      for environment in aws_batch_compute_environment.this :
      environment.compute_resources[0].subnets == toset(["subnet-00000000000000001", "subnet-00000000000000002"])
      && environment.compute_resources[0].security_group_ids == toset([aws_security_group.tasks.id])
    ])
    error_message = "Tasks run in the subnets that were named."
  }
  assert {
    condition     = alltrue([for definition in aws_batch_job_definition.this : jsondecode(definition.container_properties).networkConfiguration.assignPublicIp == "DISABLED"])
    error_message = "Tasks have no public address by default."
  }
}

run "own_public_network" {
  command = plan

  variables {
    existing_network = { vpc_id = "vpc-00000000000000001", subnet_ids = ["subnet-00000000000000001"], assign_public_ip = true }
  }

  assert {
    condition     = alltrue([for definition in aws_batch_job_definition.this : jsondecode(definition.container_properties).networkConfiguration.assignPublicIp == "ENABLED"])
    error_message = "Tasks have public addresses, as requested."
  }
}

run "arm" {
  command = plan

  variables {
    architecture = "ARM64"
  }

  assert {
    condition     = alltrue([for definition in aws_batch_job_definition.this : jsondecode(definition.container_properties).runtimePlatform.cpuArchitecture == "ARM64"]) && output.architecture == "ARM64"
    error_message = "All definitions are for ARM64."
  }
}

run "second_stack" {
  command = plan

  variables {
    stack              = "lab-b"
    tags               = { cost-centre = "4711" }
    kms_key_arn        = "arn:aws:kms:eu-central-1:123456789012:key/1a2b3c4d"
    bucket_name        = "lab-b-data"
    force_destroy      = true
    disk_gib           = [30]
    old_versions_days  = 7
    intermediates_days = 3
    images_kept        = 4
    attempts           = 1
    timeout_hours      = 2
    log_retention_days = 7
    spot_max_vcpus     = 16
    ondemand_max_vcpus = 8
    head_max_vcpus     = 2
    vpc_cidr           = "192.168.4.0/24"
    zones              = 1
  }

  assert {
    condition     = alltrue([for name in concat(values(aws_batch_job_definition.this)[*].name, values(aws_batch_job_queue.this)[*].name, values(aws_batch_compute_environment.this)[*].compute_environment_name_prefix) : startswith(name, "lab-b-")])
    error_message = "Names begin with the stack's, so that stacks live side by side."
  }
  assert {
    condition = [aws_iam_role.execution.name, aws_iam_role.job.name, aws_iam_role.head[0].name, aws_iam_policy.submit.name] == [
      "lab-b-execution-eu-central-1", "lab-b-job-eu-central-1", "lab-b-head-eu-central-1", "lab-b-submit-eu-central-1"
    ]
    error_message = "Roles belong to the whole account, so their names hold the region as well."
  }
  assert {
    condition     = aws_ecr_repository.this.name == "lab-b" && aws_ecr_repository.this.force_delete && aws_s3_bucket.data.force_destroy && aws_s3_bucket.data.bucket == "lab-b-data"
    error_message = "Repository and bucket have the chosen names, and can be removed."
  }
  assert {
    condition     = aws_cloudwatch_log_group.jobs.name == "/terraflow/lab-b" && aws_cloudwatch_log_group.jobs.kms_key_id == var.kms_key_arn && aws_cloudwatch_log_group.jobs.retention_in_days == 7
    error_message = "The log group has its name and the key."
  }
  assert {
    condition = alltrue([for rule in aws_s3_bucket_server_side_encryption_configuration.data.rule :
      rule.bucket_key_enabled && one(rule.apply_server_side_encryption_by_default).sse_algorithm == "aws:kms" && one(rule.apply_server_side_encryption_by_default).kms_master_key_id == var.kms_key_arn
    ])
    error_message = "The bucket is encrypted with the key, through a bucket key."
  }
  assert {
    condition     = aws_subnet.this[0].cidr_block == "192.168.4.0/27" && keys(output.job_definitions) == ["30"]
    error_message = "Subnets and disk sizes are those chosen."
  }
  assert {
    condition     = { for kind, environment in aws_batch_compute_environment.this : kind => environment.compute_resources[0].max_vcpus } == { spot = 16, ondemand = 8, head = 2 }
    error_message = "Limits are those chosen."
  }
  assert {
    condition     = output.tags == { cost-centre = "4711", project = "terraflow", stack = "lab-b" }
    error_message = "The user's tags stand beside the stack's."
  }
}

run "china" {
  command = plan

  override_data {
    target = data.aws_partition.current
    values = { partition = "aws-cn", dns_suffix = "amazonaws.com.cn" }
  }
  override_data {
    target = data.aws_region.current
    values = { name = "cn-north-1" }
  }

  assert {
    condition     = aws_vpc_endpoint.interface["ecr.api"].service_name == "cn.com.amazonaws.cn-north-1.ecr.api" && aws_vpc_endpoint.interface["logs"].service_name == "com.amazonaws.cn-north-1.logs"
    error_message = "Endpoints have AWS's names in China."
  }
}

run "too_many_zones" {
  command = plan

  variables {
    zones = 4
  }

  expect_failures = [aws_subnet.this]
}
