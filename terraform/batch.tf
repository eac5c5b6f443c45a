# Where jobs run: compute environments, queues, and job definitions (one for each disk size, one for reports, one for
# heads, one for launchers).

locals {
  compute = merge({
    spot     = { type = "FARGATE_SPOT", max_vcpus = var.spot_max_vcpus }
    ondemand = { type = "FARGATE", max_vcpus = var.ondemand_max_vcpus }
    }, var.head_jobs ? {
    head = { type = "FARGATE", max_vcpus = var.head_max_vcpus }
  } : {})

  worker_image = "${aws_ecr_repository.this.repository_url}:worker-${var.image_tag}"
  report_image = "${aws_ecr_repository.this.repository_url}:report-${var.image_tag}"
  job_role     = aws_iam_role.job.arn

  workers = {
    for size in var.disk_gib : "worker-${size}gib" => { image = local.worker_image, role = local.job_role, disk_gib = size, hours = var.timeout_hours }
  }
  reports = { report = { image = local.report_image, role = local.job_role, disk_gib = 20, hours = var.timeout_hours } }
  # A head waits for all its jobs: 14 days, as long as Fargate promises to keep a task.
  heads       = { for role in aws_iam_role.head : "head" => { image = local.worker_image, role = role.arn, disk_gib = 20, hours = 336 } }
  definitions = merge(local.workers, local.reports, local.heads, local.launchers)
  # These names are known while planning; the roles' ARNs are not.
  definition_names = [for kind in concat(keys(local.workers), ["report"], var.head_jobs ? ["head"] : []) : "${var.stack}-${kind}"]

  # Tasks can write to their work folder only. It is a volume on the task's disk, with the owner of the image's VOLUME.
  read_only = {
    readonlyRootFilesystem = true
    volumes                = [{ name = "work" }]
    mountPoints            = [{ sourceVolume = "work", containerPath = "/work", readOnly = false }]
  }
}

# Without service_role AWS uses (and makes) its service-linked role for Batch.
resource "aws_batch_compute_environment" "this" {
  for_each = local.compute

  compute_environment_name_prefix = "${var.stack}-${each.key}-"
  type                            = "MANAGED"

  compute_resources {
    type               = each.value.type
    max_vcpus          = each.value.max_vcpus
    subnets            = local.subnets
    security_group_ids = [aws_security_group.tasks.id]
  }

  lifecycle {
    # A queue has to point to another environment before its own can go.
    create_before_destroy = true
  }
}

# Without a scheduling policy: first in, first out.
resource "aws_batch_job_queue" "this" {
  for_each = local.compute

  name     = "${var.stack}-${each.key}"
  state    = "ENABLED"
  priority = 1

  compute_environment_order {
    order               = 1
    compute_environment = aws_batch_compute_environment.this[each.key].arn
  }

  # A job in such a state never starts, and every job submitted after it waits behind it. AWS does not report a used-up
  # quota.
  dynamic "job_state_time_limit_action" {
    for_each = ["MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE", "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"]

    content {
      reason           = job_state_time_limit_action.value
      state            = "RUNNABLE"
      action           = "CANCEL"
      max_time_seconds = var.stuck_seconds
    }
  }
}

resource "aws_batch_job_definition" "this" {
  for_each = local.definitions

  name                  = "${var.stack}-${each.key}"
  type                  = "container"
  platform_capabilities = ["FARGATE"]
  propagate_tags        = true
  parameters            = try(each.value.defaults, null)

  container_properties = jsonencode(merge({
    image            = each.value.image
    executionRoleArn = aws_iam_role.execution.arn
    jobRoleArn       = each.value.role
    # Defaults: a submission overrides them.
    resourceRequirements         = [{ type = "VCPU", value = try(each.value.vcpus, "1") }, { type = "MEMORY", value = try(each.value.memory, "2048") }]
    fargatePlatformConfiguration = { platformVersion = "LATEST" }
    runtimePlatform              = { operatingSystemFamily = "LINUX", cpuArchitecture = var.architecture }
    networkConfiguration         = { assignPublicIp = local.public_ip ? "ENABLED" : "DISABLED" }
    environment                  = [{ name = "AWS_DEFAULT_REGION", value = local.region }]
    # The init process passes SIGTERM on to the tool (a reclaimed Spot task has two minutes) and reaps its orphans.
    linuxParameters = { initProcessEnabled = true }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.jobs.name
        "awslogs-region"        = local.region
        "awslogs-stream-prefix" = each.key
        # Otherwise ECS drops lines when a tool writes faster than ECS sends.
        "mode" = "blocking"
      }
    }
    # Every task has 20 GiB; Fargate refuses a request for exactly that size.
  }, { for key, value in local.read_only : key => value if var.read_only_root }, each.value.disk_gib > 20 ? { ephemeralStorage = { sizeInGiB = each.value.disk_gib } } : {}, try({ command = each.value.command }, {})))

  # An attempt that matches no rule is repeated: Fargate's reasons for a task that was taken away or never started are
  # many and change. The status reason describes the task, and the reason its container.
  # A head ends by its own exit codes (terraflow.heads.about) and is started again after all else, such as a kill: it
  # goes on with the jobs that run.
  retry_strategy {
    attempts = each.key == "head" ? 10 : var.attempts

    dynamic "evaluate_on_exit" {
      for_each = each.key == "head" ? [] : ["Essential container in task exited*", "OutOfMemoryError*", "Container Overrides length*"]

      content {
        on_status_reason = evaluate_on_exit.value
        action           = "EXIT"
      }
    }

    # Whatever the status reason: with the same memory, another attempt would end the same way.
    dynamic "evaluate_on_exit" {
      for_each = each.key == "head" ? [] : ["OutOfMemoryError*"]

      content {
        on_reason = evaluate_on_exit.value
        action    = "EXIT"
      }
    }

    dynamic "evaluate_on_exit" {
      for_each = each.key == "head" ? ["6*"] : []

      content {
        on_exit_code = evaluate_on_exit.value
        action       = "EXIT"
      }
    }
  }

  timeout {
    attempt_duration_seconds = each.value.hours * 3600
  }
}
