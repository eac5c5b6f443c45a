# What tells people of runs (notify_email): a function reads what heads and launchers left in S3, and publishes. The
# picture is in events.tf.

locals {
  news = var.notify_email != null

  news_name     = "${var.stack}-news"
  topic_arn     = "arn:${local.partition}:sns:${local.region}:${local.account}:${local.news_name}"
  news_role     = "${var.stack}-news-${local.region}"
  news_role_arn = "arn:${local.partition}:iam::${local.account}:role/${local.news_role}"
  # Written by make deploy.
  news_zip  = coalesce(var.news_zip, "${path.module}/news.zip")
  news_logs = "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/terraflow/${var.stack}/news"
}

resource "aws_sns_topic" "news" {
  count = local.news ? 1 : 0

  name              = local.news_name
  kms_master_key_id = coalesce(var.kms_key_arn, "alias/aws/sns")
}

resource "aws_sns_topic_subscription" "news" {
  count = local.news ? 1 : 0

  topic_arn = aws_sns_topic.news[0].arn
  protocol  = "email"
  endpoint  = var.notify_email
}

# The function alone publishes, whatever other policies of the account say, and over TLS alone.
data "aws_iam_policy_document" "topic" {
  statement {
    sid       = "TheFunctionAlone"
    effect    = "Deny"
    actions   = ["sns:Publish"]
    resources = [local.topic_arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "ArnNotEquals"
      variable = "aws:PrincipalArn"
      values   = [local.news_role_arn]
    }
  }

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["sns:Publish"]
    resources = [local.topic_arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_sns_topic_policy" "news" {
  count = local.news ? 1 : 0

  arn    = aws_sns_topic.news[0].arn
  policy = data.aws_iam_policy_document.topic.json
}

data "aws_iam_policy_document" "news_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "news" {
  # A request without a prefix is allowed, too: S3 answers 404 for a missing object only to callers who may list.
  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arn]

    condition {
      test     = "StringLikeIfExists"
      variable = "s3:prefix"
      values   = ["runs/*"]
    }
  }

  statement {
    sid       = "ReadWhatHeadsAndLaunchersLeft"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arn}/runs/*/head/*", "${local.bucket_arn}/raw/*/inbox.json", "${local.bucket_arn}/raw/*/told/*"]
  }

  # Marks of what has been told.
  statement {
    sid       = "WriteMarks"
    actions   = ["s3:PutObject"]
    resources = ["${local.bucket_arn}/runs/*/head/told/*", "${local.bucket_arn}/raw/*/told/*"]
  }

  # AWS offers no resources for this action.
  statement {
    sid       = "SeeHeads"
    actions   = ["batch:ListJobs"]
    resources = ["*"]
  }

  statement {
    sid       = "Publish"
    actions   = ["sns:Publish"]
    resources = [local.topic_arn]
  }

  statement {
    sid       = "WriteLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${local.news_logs}:*"]
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      sid       = "UseKey"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = [for service in ["s3", "sns"] : "${service}.${local.region}.${data.aws_partition.current.dns_suffix}"]
      }
    }
  }
}

resource "aws_iam_role" "news" {
  count = local.news ? 1 : 0

  name               = local.news_role
  description        = "The function of ${var.stack} reads how runs ended, and publishes it"
  assume_role_policy = data.aws_iam_policy_document.news_trust.json
}

resource "aws_iam_role_policy" "news" {
  count = local.news ? 1 : 0

  name   = "tell"
  role   = aws_iam_role.news[0].id
  policy = data.aws_iam_policy_document.news.json
}

resource "aws_cloudwatch_log_group" "news" {
  #checkov:skip=CKV_AWS_338:The retention is a variable, as that of the jobs' logs
  count = local.news ? 1 : 0

  name              = "/terraflow/${var.stack}/news"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_lambda_function" "news" {
  #checkov:skip=CKV_AWS_50:A trace of a function that makes a dozen calls tells no more than its log
  #checkov:skip=CKV_AWS_115:A reserved concurrency takes from an account's 10, and AWS refuses that to a new account
  #checkov:skip=CKV_AWS_116:EventBridge and Lambda repeat a failed event; what is lost stands in the bucket all the same
  #checkov:skip=CKV_AWS_117:Outside the network on purpose: inside, the way to SNS costs money when nothing runs
  #checkov:skip=CKV_AWS_173:Its variables are names of resources, no secrets
  #checkov:skip=CKV_AWS_272:make deploy writes its code from the checkout; a signing profile would sign the same again
  count = local.news ? 1 : 0

  function_name    = local.news_name
  description      = "Mails how runs of ${var.stack} ended, and what waits"
  role             = aws_iam_role.news[0].arn
  runtime          = "python3.13"
  architectures    = ["x86_64"]
  handler          = "terraflow.news.function.handle"
  filename         = local.news_zip
  source_code_hash = try(filebase64sha256(local.news_zip), null)
  memory_size      = 256
  timeout          = 60

  environment {
    variables = {
      BUCKET          = local.bucket_name
      HEAD_QUEUE      = "${var.stack}-head"
      LAUNCHER        = local.launcher_name
      HEAD_DEFINITION = "${var.stack}-head"
      LOG_GROUP       = aws_cloudwatch_log_group.jobs.name
      TOPIC           = aws_sns_topic.news[0].arn
    }
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.news[0].name
  }

  lifecycle {
    precondition {
      condition     = fileexists(local.news_zip)
      error_message = "${local.news_zip} is missing, the code of the function that notify_email needs. make deploy writes it."
    }
  }

  # Its first event may come as soon as it is there.
  depends_on = [aws_iam_role_policy.news]
}

# end: a head or a launcher has ended. sheets: a launcher has looked at a sheet. waits: does a job wait for long?
resource "aws_cloudwatch_event_rule" "news" {
  for_each = local.news ? merge({
    end   = { pattern = jsonencode(local.ends), rate = null }
    waits = { pattern = null, rate = "rate(30 minutes)" }
    }, local.launching ? {
    sheets = {
      pattern = jsonencode({
        source        = ["aws.s3"]
        "detail-type" = ["Object Created"]
        detail        = { bucket = { name = [local.bucket_name] }, object = { key = [{ wildcard = "raw/*/inbox.json" }] } }
      })
      rate = null
    }
  } : {}) : {}

  name                = "${var.stack}-news-${each.key}"
  description         = "Calls the function that mails news of ${var.stack}"
  event_pattern       = each.value.pattern
  schedule_expression = each.value.rate
}

resource "aws_cloudwatch_event_target" "news" {
  for_each = aws_cloudwatch_event_rule.news

  rule      = each.value.name
  target_id = "news"
  arn       = aws_lambda_function.news[0].arn
}

resource "aws_lambda_permission" "news" {
  for_each = aws_cloudwatch_event_rule.news

  statement_id  = each.key
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.news[0].function_name
  principal     = "events.amazonaws.com"
  source_arn    = each.value.arn
}
