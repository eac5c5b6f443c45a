# Who may do what. Four kinds of caller:
#   execution role  Fargate itself, before and beside a task: pulls the image, writes the log
#   job role        the task of a rule: the data
#   head role       the task of a run that is conducted from the cloud: the data, and jobs
#   submit policy   people who run workflows: the data, jobs, and bringing raw/ and reference/ in
# The roles of what starts runs and tells of them are in events.tf and news.tf, those of Airflow in airflow_iam.tf.
#
# Nobody is given iam:PassRole: whoever submits names a job definition, and its roles were passed when Terraform
# registered it. Whoever can't register definitions can't choose roles.

locals {
  arn_batch   = "arn:${local.partition}:batch:${local.region}:${local.account}"
  bucket_arn  = aws_s3_bucket.data.arn
  input_arns  = [for name in var.input_buckets : "arn:${local.partition}:s3:::${name}"]
  log_streams = "${aws_cloudwatch_log_group.jobs.arn}:*"

  # Tags of a submission: the stack's, and those that tell jobs apart.
  tag_keys = concat(keys(local.tags), [for key in ["run", "rule", "sample"] : "terraflow:${key}"])
}

# ---- trust ---------------------------------------------------------------------------------------------------------

# Fargate itself assumes the execution role, and AWS promises the conditions below for roles of tasks only.
data "aws_iam_policy_document" "execution_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}

# Tasks of this account and region only.
data "aws_iam_policy_document" "task_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:ecs:${local.region}:${local.account}:*"]
    }
  }
}

# ---- execution role ------------------------------------------------------------------------------------------------

data "aws_iam_policy_document" "pull" {
  statement {
    sid       = "PullImages"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [aws_ecr_repository.this.arn]
  }

  # AWS offers no resource for this action.
  statement {
    sid       = "LogInToRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }
}

data "aws_iam_policy_document" "execution" {
  source_policy_documents = [data.aws_iam_policy_document.pull.json]

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = [local.log_streams]
  }
}

resource "aws_iam_role" "execution" {
  name               = "${var.stack}-execution-${local.region}"
  description        = "Fargate starts the tasks of ${var.stack} with it"
  assume_role_policy = data.aws_iam_policy_document.execution_trust.json
}

resource "aws_iam_role_policy" "execution" {
  name   = "start-tasks"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.execution.json
}

# ---- the data ------------------------------------------------------------------------------------------------------

data "aws_iam_policy_document" "read" {
  statement {
    sid       = "FindBucket"
    actions   = ["s3:GetBucketLocation"]
    resources = [local.bucket_arn]
  }

  # A request without a prefix is allowed, too: HeadBucket has none, and S3 answers 404 for a missing object only to
  # callers who may list the bucket; others get 403.
  statement {
    sid       = "ListData"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arn]

    condition {
      test     = "StringLikeIfExists"
      variable = "s3:prefix"
      values   = ["raw/*", "reference/*", "runs/*"]
    }
  }

  statement {
    sid       = "ReadData"
    actions   = ["s3:GetObject", "s3:GetObjectTagging"]
    resources = [for prefix in ["raw", "reference", "runs"] : "${local.bucket_arn}/${prefix}/*"]
  }

  dynamic "statement" {
    for_each = length(var.input_buckets) > 0 ? [1] : []

    content {
      sid       = "ListInputBuckets"
      actions   = ["s3:GetBucketLocation", "s3:ListBucket"]
      resources = local.input_arns
    }
  }

  dynamic "statement" {
    for_each = length(var.input_buckets) > 0 ? [1] : []

    content {
      sid       = "ReadInputBuckets"
      actions   = ["s3:GetObject"]
      resources = [for arn in local.input_arns : "${arn}/*"]
    }
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      sid       = "UseKeyThroughS3"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["s3.${local.region}.${data.aws_partition.current.dns_suffix}"]
      }
    }
  }
}

data "aws_iam_policy_document" "data" {
  source_policy_documents = [data.aws_iam_policy_document.read.json]

  statement {
    sid       = "WriteResultsAndIndices"
    actions   = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:PutObject", "s3:PutObjectTagging"]
    resources = [for prefix in ["reference", "runs"] : "${local.bucket_arn}/${prefix}/*"]
  }

  statement {
    sid       = "DeleteIntermediates"
    actions   = ["s3:DeleteObject"]
    resources = ["${local.bucket_arn}/runs/*"]
  }
}

resource "aws_iam_role" "job" {
  name               = "${var.stack}-job-${local.region}"
  description        = "Jobs of ${var.stack} reach their data with it"
  assume_role_policy = data.aws_iam_policy_document.task_trust.json
}

resource "aws_iam_role_policy" "job" {
  name   = "data"
  role   = aws_iam_role.job.id
  policy = data.aws_iam_policy_document.data.json
}

# ---- jobs ----------------------------------------------------------------------------------------------------------

# What a run is checked against before it begins.
data "aws_iam_policy_document" "see" {
  # AWS offers no resources for these actions.
  statement {
    sid = "SeeJobs"
    actions = [
      "batch:DescribeComputeEnvironments", "batch:DescribeJobDefinitions", "batch:DescribeJobQueues",
      "batch:DescribeJobs", "batch:ListJobs",
    ]
    resources = ["*"]
  }

  statement {
    sid       = "SeeImages"
    actions   = ["ecr:BatchGetImage", "ecr:DescribeImages"]
    resources = [aws_ecr_repository.this.arn]
  }

  statement {
    sid       = "SeeRoles"
    actions   = ["iam:GetRole"]
    resources = [aws_iam_role.execution.arn, aws_iam_role.job.arn]
  }
}

# What a run is estimated with before it is submitted, and its timeline is drawn with at the end. AWS offers no resources for these actions.
data "aws_iam_policy_document" "estimate" {
  statement {
    sid       = "SeeQuotas"
    actions   = ["servicequotas:GetAWSDefaultServiceQuota", "servicequotas:GetServiceQuota"]
    resources = ["*"]
  }
}

# A head submits the jobs of rules; only people, and launchers, submit heads.
data "aws_iam_policy_document" "submitting" {
  for_each = {
    head   = { queues = ["spot", "ondemand"], definitions = setsubtract(local.definition_names, ["${var.stack}-head"]) }
    people = { queues = keys(local.compute), definitions = local.definition_names }
  }

  # Jobs have to carry the stack's tag: costs are found by it, and only jobs that carry it may be ended below. AWS
  # requires TagResource on the queue and the definition of a tagged submission; on job/* it would let people tag, and
  # then end, other stacks' untagged jobs.
  statement {
    sid     = "SubmitJobs"
    actions = ["batch:SubmitJob", "batch:TagResource"]
    resources = concat(
      [for queue in each.value.queues : aws_batch_job_queue.this[queue].arn],
      [for name in each.value.definitions : "${local.arn_batch}:job-definition/${name}"],
      [for name in each.value.definitions : "${local.arn_batch}:job-definition/${name}:*"],
    )

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

data "aws_iam_policy_document" "run" {
  source_policy_documents = [data.aws_iam_policy_document.data.json, data.aws_iam_policy_document.see.json]

  # TerminateJob covers TerminateJobs, too.
  statement {
    sid       = "EndJobs"
    actions   = ["batch:CancelJob", "batch:TerminateJob"]
    resources = ["${local.arn_batch}:job/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/stack"
      values   = [var.stack]
    }
  }

  statement {
    sid       = "ReadLogs"
    actions   = ["logs:FilterLogEvents", "logs:GetLogEvents"]
    resources = [aws_cloudwatch_log_group.jobs.arn, local.log_streams]
  }
}

data "aws_iam_policy_document" "head" {
  source_policy_documents = [
    data.aws_iam_policy_document.run.json, data.aws_iam_policy_document.submitting["head"].json,
    data.aws_iam_policy_document.estimate.json,
  ]
}

resource "aws_iam_role" "head" {
  count = var.head_jobs ? 1 : 0

  name               = "${var.stack}-head-${local.region}"
  description        = "Head jobs of ${var.stack} submit and follow jobs with it"
  assume_role_policy = data.aws_iam_policy_document.task_trust.json
}

resource "aws_iam_role_policy" "head" {
  count = var.head_jobs ? 1 : 0

  name   = "run"
  role   = aws_iam_role.head[0].id
  policy = data.aws_iam_policy_document.head.json
}

# ---- people --------------------------------------------------------------------------------------------------------

data "aws_iam_policy_document" "submit" {
  source_policy_documents = [
    data.aws_iam_policy_document.run.json, data.aws_iam_policy_document.submitting["people"].json,
    data.aws_iam_policy_document.estimate.json,
  ]

  # The place of a waiting job in its queue.
  statement {
    sid       = "SeeQueues"
    actions   = ["batch:GetJobQueueSnapshot"]
    resources = [for queue in aws_batch_job_queue.this : queue.arn]
  }

  # For `terraflow launch`.
  statement {
    sid       = "ReadWorkflow"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arn}/workflow/*"]
  }

  statement {
    sid       = "BringRawDataIn"
    actions   = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:PutObject", "s3:PutObjectTagging"]
    resources = ["${local.bucket_arn}/raw/*"]
  }
}

resource "aws_iam_policy" "submit" {
  name        = "${var.stack}-submit-${local.region}"
  description = "Stage data and run workflows on ${var.stack}"
  policy      = data.aws_iam_policy_document.submit.json

  lifecycle {
    # IAM does not count white space.
    precondition {
      condition     = length(jsonencode(jsondecode(data.aws_iam_policy_document.submit.json))) <= 6144
      error_message = "The submit policy names input_buckets, disk_gib and the keys of tags, and has become longer than the 6144 characters that IAM takes: name fewer or shorter ones."
    }
  }
}

# In stacks that are older than the variable head_jobs, these resources have no index.
moved {
  from = aws_iam_role.head
  to   = aws_iam_role.head[0]
}

moved {
  from = aws_iam_role_policy.head
  to   = aws_iam_role_policy.head[0]
}
