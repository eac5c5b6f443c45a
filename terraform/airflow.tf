# Apache Airflow, off unless airflow = { enabled = true }: one task on Fargate that works all the time, and its database.
#
#   people ── SSM port forwarding ──► 127.0.0.1:8080 in the task ─► launcher ─► head ─► jobs
#                                       │ api-server, scheduler, dag-processor, triggerer
#                                       └─► database (reached by this task only)
#
# Nothing listens to the outside, and there is no load balancer. Runs under way are jobs of AWS Batch: they go on while the
# task is replaced. Roles and secrets are in airflow_iam.tf, the database in airflow_database.tf.

locals {
  airflow       = var.airflow.enabled
  airflow_name  = "${var.stack}-airflow"
  airflow_image = "${aws_ecr_repository.this.repository_url}:airflow-${coalesce(var.airflow_image_tag, "none")}"
  airflow_logs  = "${local.bucket_arn}/airflow/logs"

  # In a private network: the port forwarding, and the two secrets. One zone is enough for one task, whose database lies
  # in one zone, too; tasks in the other zones reach it.
  airflow_endpoints = {
    "secretsmanager" = ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"]
    "ssmmessages" = [
      "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ]
  }

  # What the task may write to: Airflow's files, and what the agent of the port forwarding keeps.
  airflow_volumes = {
    home    = "/airflow"
    tmp     = "/tmp"
    agents  = "/managed-agents"
    ssm     = "/var/lib/amazon/ssm"
    ssm-log = "/var/log/amazon/ssm"
  }

  # No secret stands here: the console shows these variables. The task reads the secrets by their names.
  airflow_environment = merge({
    AWS_DEFAULT_REGION                        = local.region
    AIRFLOW_VAR_TERRAFLOW_BUCKET              = local.bucket_name
    AIRFLOW_CONN_AWS_DEFAULT                  = jsonencode({ conn_type = "aws", extra = { region_name = local.region } })
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN       = "postgresql+psycopg2://${local.airflow_login}"
    AIRFLOW__LOGGING__REMOTE_LOGGING          = "True"
    AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER  = "s3://${local.bucket_name}/airflow/logs"
    AIRFLOW__LOGGING__REMOTE_LOG_CONN_ID      = "aws_default"
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC = "postgresql+asyncpg://${local.airflow_login}"
    PGSSLMODE                                 = "require"
    TERRAFLOW_DATABASE_SECRET                 = one(aws_db_instance.airflow[*].master_user_secret[0].secret_arn)
    TERRAFLOW_AIRFLOW_SECRET                  = one(aws_secretsmanager_secret.airflow[*].arn)
    TERRAFLOW_AIRFLOW_INBOX                   = tostring(var.airflow.inbox)
    TERRAFLOW_AIRFLOW_HEADS                   = tostring(var.head_max_vcpus)
  }, var.airflow.budget == null ? {} : { AIRFLOW_VAR_TERRAFLOW_BUDGET = tostring(var.airflow.budget) })
}

# ---- logs ----------------------------------------------------------------------------------------------------------

# What all parts print: the service's own lines, and those of tasks. Logs of tasks also lie in the bucket, below
# airflow/logs/, where the page reads them.
resource "aws_cloudwatch_log_group" "airflow" {
  #checkov:skip=CKV_AWS_338:The retention is a variable, as that of the jobs' logs
  count = local.airflow ? 1 : 0

  name              = "/terraflow/${var.stack}/airflow"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

# ---- security group ------------------------------------------------------------------------------------------------

# Beside the group of all tasks, which may call AWS.
resource "aws_security_group" "airflow" {
  count = local.airflow ? 1 : 0

  name_prefix = "${local.airflow_name}-"
  description = "Airflow of ${var.stack}: its database, nothing in"
  vpc_id      = local.vpc_id

  tags = { Name = local.airflow_name }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_egress_rule" "airflow_database" {
  count = local.airflow ? 1 : 0

  security_group_id            = aws_security_group.airflow[0].id
  description                  = "PostgreSQL to the database of Airflow"
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
  referenced_security_group_id = aws_security_group.airflow_database[0].id
}

# ---- service -------------------------------------------------------------------------------------------------------

resource "aws_ecs_cluster" "airflow" {
  #checkov:skip=CKV_AWS_65:Insights cost as much as the database, and the health check restarts what hangs
  count = local.airflow ? 1 : 0

  name = local.airflow_name

  setting {
    name  = "containerInsights"
    value = "disabled"
  }
}

resource "aws_ecs_task_definition" "airflow" {
  count = local.airflow ? 1 : 0

  family                   = local.airflow_name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = "512"
  memory                   = "2048"
  execution_role_arn       = aws_iam_role.airflow_execution[0].arn
  task_role_arn            = aws_iam_role.airflow[0].arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture
  }

  dynamic "volume" {
    for_each = local.airflow_volumes

    content {
      name = volume.key
    }
  }

  container_definitions = jsonencode([{
    name                   = "airflow"
    image                  = local.airflow_image
    essential              = true
    readonlyRootFilesystem = var.read_only_root
    # The supervisor kills after 5 s what has not ended.
    stopTimeout     = 30
    linuxParameters = { initProcessEnabled = true }
    environment     = [for name, value in local.airflow_environment : { name = name, value = value }]
    mountPoints     = [for name, path in local.airflow_volumes : { sourceVolume = name, containerPath = path, readOnly = false }]
    # A part that ends takes the others along; this finds one that hangs. ECS then replaces the task.
    healthCheck = { command = ["CMD", "python", "-m", "airflow_service.health"], interval = 60, timeout = 20, retries = 5, startPeriod = 300 }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.airflow[0].name
        "awslogs-region"        = local.region
        "awslogs-stream-prefix" = "service"
        # Trouble with logs must not stop the scheduler.
        "mode"            = "non-blocking"
        "max-buffer-size" = "4m"
      }
    }
  }])
}

# Never two at a time: the new task changes the database's tables when it starts. No circuit breaker: after such a change
# the task before could not go on.
resource "aws_ecs_service" "airflow" {
  #checkov:skip=CKV_AWS_333:In a public network a task needs an address to reach AWS; nothing reaches it, since its groups let nothing in
  count = local.airflow ? 1 : 0

  name                               = "airflow"
  cluster                            = aws_ecs_cluster.airflow[0].arn
  task_definition                    = aws_ecs_task_definition.airflow[0].arn
  desired_count                      = 1
  launch_type                        = "FARGATE"
  platform_version                   = "LATEST"
  deployment_minimum_healthy_percent = 0
  deployment_maximum_percent         = 100
  # Port forwarding goes through the same agent.
  enable_execute_command = true
  propagate_tags         = "SERVICE"

  network_configuration {
    subnets          = local.subnets
    security_groups  = [aws_security_group.tasks.id, aws_security_group.airflow[0].id]
    assign_public_ip = local.public_ip
  }

  # A task that starts without them fails, and ECS waits longer each time before the next.
  depends_on = [
    aws_iam_role_policy.airflow, aws_iam_role_policy.airflow_execution, aws_iam_role_policy_attachment.airflow_submit,
    aws_vpc_endpoint.interface, aws_vpc_security_group_egress_rule.airflow_database,
    aws_vpc_security_group_ingress_rule.airflow_database,
  ]
}
