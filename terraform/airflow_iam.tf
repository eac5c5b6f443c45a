# Who may do what around Airflow:
#   execution role  Fargate itself: pulls the image, writes the log
#   Airflow's role  the submit policy's rights; launchers; its secrets, its logs, the port forwarding
#   page's policy   people who open the page

locals {
  airflow_task_arn = "arn:${local.partition}:ecs:${local.region}:${local.account}:task/${local.airflow_name}/*"
  airflow_secrets = compact([
    one(aws_secretsmanager_secret.airflow[*].arn), one(aws_db_instance.airflow[*].master_user_secret[0].secret_arn),
  ])
}

# ---- secret --------------------------------------------------------------------------------------------------------

# Airflow's keys and the password of its page. Terraform makes it empty; the task fills it when it first starts, so that
# its content stands in no state and no plan.
resource "aws_secretsmanager_secret" "airflow" {
  #checkov:skip=CKV_AWS_149:AWS's own key is free; kms_key_arn names another one
  #checkov:skip=CKV2_AWS_57:Another Fernet key makes stored connections unreadable: docs/airflow.md says how to change the keys
  count = local.airflow ? 1 : 0

  # A name is taken for weeks after its secret was deleted; of this prefix AWS makes another name each time.
  name_prefix = "${local.airflow_name}-"
  description = "Keys of Airflow of ${var.stack}, and the password of its page"
  kms_key_id  = var.kms_key_arn
}

# ---- execution role ------------------------------------------------------------------------------------------------

data "aws_iam_policy_document" "airflow_execution" {
  source_policy_documents = [data.aws_iam_policy_document.pull.json]

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/terraflow/${var.stack}/airflow:*"]
  }
}

resource "aws_iam_role" "airflow_execution" {
  count = local.airflow ? 1 : 0

  name               = "${var.stack}-airflow-execution-${local.region}"
  description        = "Fargate starts Airflow of ${var.stack} with it"
  assume_role_policy = data.aws_iam_policy_document.execution_trust.json
}

resource "aws_iam_role_policy" "airflow_execution" {
  count = local.airflow ? 1 : 0

  name   = "start-airflow"
  role   = aws_iam_role.airflow_execution[0].id
  policy = data.aws_iam_policy_document.airflow_execution.json
}

# ---- Airflow's role ------------------------------------------------------------------------------------------------

data "aws_iam_policy_document" "airflow" {
  count = local.airflow ? 1 : 0

  # Launchers submit the heads.
  statement {
    sid       = "SubmitLaunchers"
    actions   = ["batch:SubmitJob", "batch:TagResource"]
    resources = concat([local.head_queue_arn], local.launcher_arns)

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

  statement {
    sid       = "ReadSecrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = local.airflow_secrets
  }

  statement {
    sid       = "FillItsSecret"
    actions   = ["secretsmanager:PutSecretValue"]
    resources = aws_secretsmanager_secret.airflow[*].arn
  }

  statement {
    sid       = "ListLogsOfTasks"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arn]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["airflow/logs/*"]
    }
  }

  statement {
    sid       = "KeepLogsOfTasks"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${local.airflow_logs}/*"]
  }

  # AWS offers no resources for these actions.
  statement {
    sid       = "ForwardThePage"
    actions   = local.airflow_endpoints["ssmmessages"]
    resources = ["*"]
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      sid       = "UseKeyOfSecrets"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["secretsmanager.${local.region}.${data.aws_partition.current.dns_suffix}"]
      }
    }
  }
}

resource "aws_iam_role" "airflow" {
  count = local.airflow ? 1 : 0

  name               = "${var.stack}-airflow-${local.region}"
  description        = "Airflow of ${var.stack} starts and follows runs with it"
  assume_role_policy = data.aws_iam_policy_document.task_trust.json
}

resource "aws_iam_role_policy_attachment" "airflow_submit" {
  count = local.airflow ? 1 : 0

  role       = aws_iam_role.airflow[0].name
  policy_arn = aws_iam_policy.submit.arn
}

resource "aws_iam_role_policy" "airflow" {
  count = local.airflow ? 1 : 0

  name   = "airflow"
  role   = aws_iam_role.airflow[0].id
  policy = data.aws_iam_policy_document.airflow[0].json
}

# ---- people --------------------------------------------------------------------------------------------------------

data "aws_iam_policy_document" "airflow_page" {
  count = local.airflow ? 1 : 0

  statement {
    sid       = "FindTheTask"
    actions   = ["ecs:DescribeServices", "ecs:DescribeTasks", "ecs:ListTasks"]
    resources = ["*"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = aws_ecs_cluster.airflow[*].arn
    }
  }

  # No other document than the port forwarding's: no shell.
  statement {
    sid     = "ForwardThePage"
    actions = ["ssm:StartSession"]
    resources = [
      local.airflow_task_arn, "arn:${local.partition}:ssm:${local.region}::document/AWS-StartPortForwardingSession",
    ]

    condition {
      test     = "BoolIfExists"
      variable = "ssm:SessionDocumentAccessCheck"
      values   = ["true"]
    }
  }

  # Plugins sign the opening of the channel since 1.2.764.
  statement {
    sid     = "UseOwnSessions"
    actions = ["ssm:ResumeSession", "ssm:TerminateSession", "ssmmessages:OpenDataChannel"]
    # Sessions of roles begin with the caller's id, those of users with the name.
    resources = [for caller in ["userid", "username"] : "arn:${local.partition}:ssm:${local.region}:${local.account}:session/$${aws:${caller}}-*"]
  }

  statement {
    sid       = "SeeThePassword"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = aws_secretsmanager_secret.airflow[*].arn
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      sid       = "UseKeyOfSecret"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["secretsmanager.${local.region}.${data.aws_partition.current.dns_suffix}"]
      }
    }
  }
}

resource "aws_iam_policy" "airflow_page" {
  count = local.airflow ? 1 : 0

  name        = "${var.stack}-airflow-page-${local.region}"
  description = "Open the page of Airflow of ${var.stack}: whoever may do that may do all that Airflow may"
  policy      = data.aws_iam_policy_document.airflow_page[0].json
}
