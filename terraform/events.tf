# What starts runs without anybody; what tells people of them is in news.tf. Three variables switch it on: inbox_budget (an
# upload starts a run), schedule (the clock does, too) and notify_email (news of runs).
#
#   raw/NAME/samples.tsv is written ─┐
#   a head ends ─────────────────────┼─► launcher (a small job) ─► head ─► its end ─┐
#   each hour, and by schedule ──────┘       └─► raw/NAME/inbox.json ───────────────┼─► function ─► topic ─► e-mail
#                                                each half hour: does a job wait? ──┘
#
# The launcher looks through the whole inbox each time, so that a lost event costs time only, and one that comes twice
# starts one run. EventBridge repeats its deliveries for a day; no dead-letter queue is needed.

locals {
  inbox = var.inbox_budget != null
  # Airflow starts runs through launchers, too, and gives each its command.
  launching = local.inbox || local.airflow

  head_queue_arn     = "${local.arn_batch}:job-queue/${var.stack}-head"
  head_definition    = "${local.arn_batch}:job-definition/${var.stack}-head"
  launcher_name      = "${var.stack}-launcher"
  launcher_arns      = ["${local.arn_batch}:job-definition/${local.launcher_name}", "${local.arn_batch}:job-definition/${local.launcher_name}:*"]
  rule_arn           = "arn:${local.partition}:events:${local.region}:${local.account}:rule/${var.stack}"
  schedule_group_arn = "arn:${local.partition}:scheduler:${local.region}:${local.account}:schedule-group/default"

  # Heads' ends, and those of launchers, which run on the same queue.
  ends = {
    source        = ["aws.batch"]
    "detail-type" = ["Batch Job State Change"]
    detail        = { jobQueue = [local.head_queue_arn], status = ["SUCCEEDED", "FAILED"] }
  }

  # A launcher does little, for a minute: 0.5 vCPU and 4 GB of it, which sheets of thousands of lines need, cost $0.0006.
  launchers = {
    for role in aws_iam_role.launcher : "launcher" => {
      image    = local.worker_image, role = role.arn, disk_gib = 20, hours = 1
      vcpus    = "0.5"
      memory   = "4096"
      command  = concat(["terraflow", "inbox", "--bucket", local.bucket_name], local.inbox ? ["--budget", tostring(var.inbox_budget)] : [], ["--by", "Ref::by"])
      defaults = { by = "upload" }
    }
  }
}

# Uploaded sheets, and what launchers write of those that Airflow has started. Off again, the setting goes with the
# resource; the bucket then sends no events.
resource "aws_s3_bucket_notification" "data" {
  count = local.inbox || (local.airflow && local.news) ? 1 : 0

  bucket      = aws_s3_bucket.data.id
  eventbridge = true
}

# ---- launcher ------------------------------------------------------------------------------------------------------

data "aws_iam_policy_document" "launcher" {
  source_policy_documents = [
    data.aws_iam_policy_document.read.json, data.aws_iam_policy_document.see.json,
    data.aws_iam_policy_document.estimate.json,
  ]

  statement {
    sid       = "ReadWorkflow"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arn}/workflow/*"]
  }

  # What a head needs, and what became of a sheet.
  statement {
    sid       = "WriteHeadsAndStates"
    actions   = ["s3:PutObject"]
    resources = ["${local.bucket_arn}/runs/*/head/*", "${local.bucket_arn}/raw/*/inbox.json"]
  }

  # A claim of a run whose head could not be submitted.
  statement {
    sid       = "TakeClaimsBack"
    actions   = ["s3:DeleteObject"]
    resources = ["${local.bucket_arn}/runs/*/head/run.json"]
  }

  statement {
    sid       = "SubmitHeads"
    actions   = ["batch:SubmitJob", "batch:TagResource"]
    resources = [local.head_queue_arn, local.head_definition, "${local.head_definition}:*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/stack"
      values   = [var.stack]
    }

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "aws:TagKeys"
      values   = local.tag_keys
    }
  }
}

resource "aws_iam_role" "launcher" {
  count = local.launching ? 1 : 0

  name               = "${var.stack}-launcher-${local.region}"
  description        = "Launchers of ${var.stack} check sheets and submit heads with it"
  assume_role_policy = data.aws_iam_policy_document.task_trust.json
}

resource "aws_iam_role_policy" "launcher" {
  count = local.launching ? 1 : 0

  name   = "launch"
  role   = aws_iam_role.launcher[0].id
  policy = data.aws_iam_policy_document.launcher.json
}

# ---- what starts the launcher --------------------------------------------------------------------------------------

data "aws_iam_policy_document" "starter_trust" {
  dynamic "statement" {
    for_each = { events = "${local.rule_arn}-*", scheduler = local.schedule_group_arn }

    content {
      actions = ["sts:AssumeRole"]

      principals {
        type        = "Service"
        identifiers = ["${statement.key}.amazonaws.com"]
      }

      condition {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [local.account]
      }

      condition {
        test     = "ArnLike"
        variable = "aws:SourceArn"
        values   = [statement.value]
      }
    }
  }
}

# EventBridge gives jobs no tags, so none can be demanded.
data "aws_iam_policy_document" "starter" {
  statement {
    sid       = "SubmitLaunchers"
    actions   = ["batch:SubmitJob"]
    resources = concat([local.head_queue_arn], local.launcher_arns)
  }
}

resource "aws_iam_role" "starter" {
  count = local.inbox ? 1 : 0

  name               = "${var.stack}-starter-${local.region}"
  description        = "EventBridge starts the launchers of ${var.stack} with it"
  assume_role_policy = data.aws_iam_policy_document.starter_trust.json
}

resource "aws_iam_role_policy" "starter" {
  count = local.inbox ? 1 : 0

  name   = "start-launchers"
  role   = aws_iam_role.starter[0].id
  policy = data.aws_iam_policy_document.starter.json
}

# A sheet may have come while its run was under way: each end of a head is a reason to look.
resource "aws_cloudwatch_event_rule" "launch" {
  for_each = local.inbox ? {
    upload = jsonencode({
      source        = ["aws.s3"]
      "detail-type" = ["Object Created"]
      detail        = { bucket = { name = [local.bucket_name] }, object = { key = [{ wildcard = "raw/*/samples.tsv" }] } }
    })
    # A launcher's end must not start the next one.
    end = jsonencode(merge(local.ends, { detail = merge(local.ends.detail, { jobDefinition = [{ prefix = "${local.head_definition}:" }] }) }))
  } : {}

  name          = "${var.stack}-launch-${each.key}"
  description   = "Starts a launcher of ${var.stack}"
  event_pattern = each.value
}

resource "aws_cloudwatch_event_target" "launch" {
  for_each = aws_cloudwatch_event_rule.launch

  rule      = each.value.name
  target_id = "launcher"
  arn       = aws_batch_job_queue.this["head"].arn
  role_arn  = aws_iam_role.starter[0].arn

  batch_target {
    # By name: the newest revision.
    job_definition = aws_batch_job_definition.this["launcher"].name
    job_name       = local.launcher_name
  }
}

# again: files that a sheet names may arrive later. clock: runs that failed are started again, too.
resource "aws_scheduler_schedule" "launch" {
  #checkov:skip=CKV_AWS_297:Its content is the name of a queue and of a definition; a key of one's own costs $1 a month
  for_each = { for by, expression in { again = "rate(1 hour)", clock = var.schedule } : by => expression if local.inbox && expression != null }

  name                = "${var.stack}-launch-${each.key}"
  description         = "Starts a launcher of ${var.stack}"
  schedule_expression = each.value

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = "arn:${local.partition}:scheduler:::aws-sdk:batch:submitJob"
    role_arn = aws_iam_role.starter[0].arn
    input = jsonencode({
      JobName       = local.launcher_name
      JobQueue      = aws_batch_job_queue.this["head"].arn
      JobDefinition = aws_batch_job_definition.this["launcher"].name
      Parameters    = { by = each.key == "clock" ? "clock" : "upload" }
    })
  }
}
