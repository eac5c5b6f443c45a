# Where tasks run: a VPC without NAT (private or public), or the user's own.

locals {
  own_vpc   = var.existing_network == null
  private   = local.own_vpc && var.network == "private"
  public    = local.own_vpc && var.network == "public"
  vpc_id    = local.own_vpc ? aws_vpc.this[0].id : var.existing_network.vpc_id
  subnets   = local.own_vpc ? aws_subnet.this[*].id : var.existing_network.subnet_ids
  public_ip = local.own_vpc ? local.public : var.existing_network.assign_public_ip

  # The services that Fargate calls to run a task (it pulls the image and writes the log), and those that a head job
  # calls. Credentials come from the task's own address, and S3 is reached through the gateway, so STS and KMS need
  # no endpoint, and Secrets Manager needs one for Airflow only.
  endpoint_actions = merge({
    "ecr.api" = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:DescribeImages", "ecr:GetAuthorizationToken", "ecr:GetDownloadUrlForLayer"]
    "ecr.dkr" = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetAuthorizationToken", "ecr:GetDownloadUrlForLayer"]
    "logs"    = ["logs:CreateLogStream", "logs:FilterLogEvents", "logs:GetLogEvents", "logs:PutLogEvents"]
    }, var.head_jobs ? {
    "batch" = [
      "batch:CancelJob", "batch:DescribeComputeEnvironments", "batch:DescribeJobDefinitions", "batch:DescribeJobQueues",
      "batch:DescribeJobs", "batch:ListJobs", "batch:SubmitJob", "batch:TagResource", "batch:TerminateJob",
    ]
  } : {}, local.airflow ? local.airflow_endpoints : {})
}

# ---- VPC and subnets -----------------------------------------------------------------------------------------------

data "aws_availability_zones" "usable" {
  #checkov:skip=CKV_AWS_394:A subnet keeps its zone (ignore_changes below), so a zone that AWS opens later moves nothing
  count = local.own_vpc ? 1 : 0

  state = "available"
  # These zones lack Fargate or other services that the stack uses.
  exclude_zone_ids = ["apne1-az3", "use1-az3", "usw1-az2"]

  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

resource "aws_vpc" "this" {
  #checkov:skip=CKV2_AWS_11:Nothing listens here and tasks live for minutes; flow logs of every byte to S3 cost more than the network
  count = local.own_vpc ? 1 : 0

  cidr_block           = var.vpc_cidr
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = var.stack }
}

# The default group has no rules, so that nothing works with it by mistake.
resource "aws_default_security_group" "closed" {
  count = local.own_vpc ? 1 : 0

  vpc_id  = aws_vpc.this[0].id
  ingress = []
  egress  = []

  tags = { Name = "${var.stack}-default-closed" }
}

resource "aws_subnet" "this" {
  count = local.own_vpc ? var.zones : 0

  vpc_id            = aws_vpc.this[0].id
  cidr_block        = cidrsubnet(var.vpc_cidr, 3, count.index)
  availability_zone = data.aws_availability_zones.usable[0].names[count.index]

  tags = { Name = "${var.stack}-${var.network}-${count.index + 1}" }

  lifecycle {
    # A zone that AWS opens later must not move the subnets that are in use.
    ignore_changes = [availability_zone]

    precondition {
      condition     = var.zones <= length(data.aws_availability_zones.usable[0].names)
      error_message = "zones is ${var.zones}, but ${local.region} has ${length(data.aws_availability_zones.usable[0].names)} usable availability zones: choose at most that many."
    }
  }
}

resource "aws_route_table" "this" {
  count = local.own_vpc ? 1 : 0

  vpc_id = aws_vpc.this[0].id
  tags   = { Name = "${var.stack}-${var.network}" }
}

resource "aws_route_table_association" "this" {
  count = local.own_vpc ? var.zones : 0

  subnet_id      = aws_subnet.this[count.index].id
  route_table_id = aws_route_table.this[0].id
}

# ---- public: a way out ---------------------------------------------------------------------------------------------

resource "aws_internet_gateway" "this" {
  count = local.public ? 1 : 0

  vpc_id = aws_vpc.this[0].id
  tags   = { Name = var.stack }
}

resource "aws_route" "internet" {
  count = local.public ? 1 : 0

  route_table_id         = aws_route_table.this[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this[0].id
}

# ---- endpoints -----------------------------------------------------------------------------------------------------

# This endpoint is free, and faster than the way through an internet gateway.
resource "aws_vpc_endpoint" "s3" {
  count = local.own_vpc ? 1 : 0

  vpc_id            = aws_vpc.this[0].id
  service_name      = "com.amazonaws.${local.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.this[0].id]
  policy            = local.private ? data.aws_iam_policy_document.s3_endpoint[0].json : null

  tags = { Name = "${var.stack}-s3" }
}

# Data that a task in a private network reads can't leave for a bucket that is not named here.
data "aws_iam_policy_document" "s3_endpoint" {
  #checkov:skip=CKV_AWS_283:An endpoint's policy only narrows; the layers of images are fetched by addresses that ECR signs itself
  count = local.private ? 1 : 0

  statement {
    sid = "Data"
    actions = [
      "s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetBucketLocation", "s3:GetObject", "s3:GetObjectTagging",
      "s3:ListBucket", "s3:ListMultipartUploadParts", "s3:PutObject", "s3:PutObjectTagging",
    ]
    resources = [local.bucket_arn, "${local.bucket_arn}/*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalAccount"
      values   = [local.account]
    }
  }

  dynamic "statement" {
    for_each = length(var.input_buckets) > 0 ? [1] : []

    content {
      sid       = "InputBuckets"
      actions   = ["s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket"]
      resources = flatten([for arn in local.input_arns : [arn, "${arn}/*"]])

      principals {
        type        = "AWS"
        identifiers = ["*"]
      }

      condition {
        test     = "StringEquals"
        variable = "aws:PrincipalAccount"
        values   = [local.account]
      }
    }
  }

  # ECR keeps the layers of images in this bucket, and signs their addresses itself.
  statement {
    sid       = "ImageLayers"
    actions   = ["s3:GetObject"]
    resources = ["arn:${local.partition}:s3:::prod-${local.region}-starport-layer-bucket/*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
  }
}

resource "aws_vpc_endpoint" "interface" {
  for_each = local.private ? local.endpoint_actions : {}

  vpc_id              = aws_vpc.this[0].id
  service_name        = "${local.partition == "aws-cn" && each.key != "logs" ? "cn." : ""}com.amazonaws.${local.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = contains(keys(local.airflow_endpoints), each.key) ? [aws_subnet.this[0].id] : aws_subnet.this[*].id
  security_group_ids  = [aws_security_group.endpoints[0].id]
  private_dns_enabled = true
  policy              = data.aws_iam_policy_document.endpoint[each.key].json

  tags = { Name = "${var.stack}-${each.key}" }
}

# The endpoints serve credentials of this account only: data that a task reads can't leave through someone else's.
data "aws_iam_policy_document" "endpoint" {
  #checkov:skip=CKV_AWS_283:The condition names this account unless endpoints_check_account is false; a policy of an endpoint only narrows
  for_each = local.private ? local.endpoint_actions : {}

  statement {
    actions   = each.value
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    dynamic "condition" {
      for_each = var.endpoints_check_account ? [local.account] : []

      content {
        test     = "StringEquals"
        variable = "aws:PrincipalAccount"
        values   = [condition.value]
      }
    }
  }
}

# ---- security groups -----------------------------------------------------------------------------------------------

resource "aws_security_group" "tasks" {
  name_prefix = "${var.stack}-tasks-"
  description = "Tasks of ${var.stack}: HTTPS out, nothing in"
  vpc_id      = local.vpc_id

  tags = { Name = "${var.stack}-tasks" }

  lifecycle {
    create_before_destroy = true
  }
}

# The routes decide which of these addresses can be reached: in a private network, AWS's endpoints only.
resource "aws_vpc_security_group_egress_rule" "tasks_https" {
  security_group_id = aws_security_group.tasks.id
  description       = "HTTPS to AWS, and where the network is public to references on the web"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_security_group" "endpoints" {
  count = local.private ? 1 : 0

  name_prefix = "${var.stack}-endpoints-"
  description = "Interface endpoints of ${var.stack}: HTTPS from tasks"
  vpc_id      = local.vpc_id

  tags = { Name = "${var.stack}-endpoints" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "endpoints_https" {
  count = local.private ? 1 : 0

  security_group_id            = aws_security_group.endpoints[0].id
  description                  = "HTTPS from tasks"
  referenced_security_group_id = aws_security_group.tasks.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}
