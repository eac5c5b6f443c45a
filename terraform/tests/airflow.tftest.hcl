# Airflow: off, and on in each kind of network.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

override_resource {
  target          = aws_iam_role.airflow
  override_during = plan
  values          = { arn = "arn:aws:iam::123456789012:role/airflow" }
}

override_resource {
  target          = aws_iam_role.airflow_execution
  override_during = plan
  values          = { arn = "arn:aws:iam::123456789012:role/airflow-execution" }
}

override_resource {
  target          = aws_security_group.tasks
  override_during = plan
  values          = { id = "sg-00000000000000001" }
}

override_resource {
  target          = aws_security_group.airflow
  override_during = plan
  values          = { id = "sg-00000000000000002" }
}

override_resource {
  target          = aws_security_group.airflow_database
  override_during = plan
  values          = { id = "sg-00000000000000003" }
}

variables {
  image_tag         = "3f9c0a1b2c4d"
  airflow_image_tag = "a1b2c3d4e5f6"
  airflow           = { enabled = true }
}

# The tag, which make deploy always gives, and the other attributes change nothing.
run "off" {
  command = plan

  variables {
    airflow = { keep_database = false, budget = 5 }
  }

  assert {
    condition = sum([
      length(aws_cloudwatch_log_group.airflow), length(aws_security_group.airflow), length(aws_vpc_security_group_egress_rule.airflow_database), length(aws_ecs_cluster.airflow),
      length(aws_ecs_task_definition.airflow), length(aws_ecs_service.airflow), length(aws_subnet.airflow_database), length(aws_db_subnet_group.airflow),
      length(aws_security_group.airflow_database), length(aws_vpc_security_group_ingress_rule.airflow_database), length(aws_db_instance.airflow), length(aws_secretsmanager_secret.airflow),
      length(aws_iam_role.airflow_execution), length(aws_iam_role_policy.airflow_execution), length(aws_iam_role.airflow), length(aws_iam_role_policy.airflow),
      length(aws_iam_role_policy_attachment.airflow_submit), length(aws_iam_policy.airflow_page),
    ]) == 0
    error_message = "What is off makes no resource."
  }
  assert {
    condition     = !contains(keys(aws_batch_job_definition.this), "launcher") && length(aws_iam_role.launcher) == 0 && output.airflow == null && output.launcher_job_definition == null
    error_message = "There is no launcher."
  }
  assert {
    condition     = toset(keys(aws_vpc_endpoint.interface)) == toset(["batch", "ecr.api", "ecr.dkr", "logs"]) && alltrue([for endpoint in aws_vpc_endpoint.interface : endpoint.subnet_ids == toset(aws_subnet.this[*].id)])
    error_message = "The endpoints are those of jobs."
  }
  assert {
    condition     = [for rule in aws_s3_bucket_lifecycle_configuration.data.rule : rule.id] == ["aborted-uploads", "old-versions", "intermediates"] && length(jsondecode(aws_ecr_lifecycle_policy.this.policy).rules) == 3
    error_message = "Bucket and repository have no rule for Airflow."
  }
}

run "private" {
  command = plan

  # service
  assert {
    condition = (
      aws_ecs_service.airflow[0].desired_count == 1 && aws_ecs_service.airflow[0].launch_type == "FARGATE" && aws_ecs_service.airflow[0].deployment_maximum_percent == 100
      && aws_ecs_service.airflow[0].deployment_minimum_healthy_percent == 0 && aws_ecs_service.airflow[0].enable_execute_command && length(aws_ecs_service.airflow[0].load_balancer) == 0
    )
    error_message = "There is one task, never two, without a load balancer, which takes a forwarded port."
  }
  assert {
    condition = (
      one(aws_ecs_service.airflow[0].network_configuration).security_groups == toset(["sg-00000000000000001", "sg-00000000000000002"])
      && one(aws_ecs_service.airflow[0].network_configuration).subnets == toset(aws_subnet.this[*].id) && !one(aws_ecs_service.airflow[0].network_configuration).assign_public_ip
    )
    error_message = "It calls AWS as tasks do, and its database; it has no public address."
  }
  assert {
    condition = (
      aws_ecs_task_definition.airflow[0].cpu == "512" && aws_ecs_task_definition.airflow[0].memory == "2048" && aws_ecs_task_definition.airflow[0].requires_compatibilities == toset(["FARGATE"])
      && aws_ecs_task_definition.airflow[0].network_mode == "awsvpc" && one(aws_ecs_task_definition.airflow[0].runtime_platform).cpu_architecture == "X86_64"
      && aws_ecs_task_definition.airflow[0].task_role_arn == "arn:aws:iam::123456789012:role/airflow" && aws_ecs_task_definition.airflow[0].execution_role_arn == "arn:aws:iam::123456789012:role/airflow-execution"
    )
    error_message = "The task has a size that Fargate offers, and roles of its own."
  }
  assert {
    condition = (
      length(jsondecode(aws_ecs_task_definition.airflow[0].container_definitions)) == 1
      && jsondecode(aws_ecs_task_definition.airflow[0].container_definitions)[0].image == "123456789012.dkr.ecr.eu-central-1.amazonaws.com/terraflow:airflow-a1b2c3d4e5f6"
      && jsondecode(aws_ecs_task_definition.airflow[0].container_definitions)[0].readonlyRootFilesystem && jsondecode(aws_ecs_task_definition.airflow[0].container_definitions)[0].essential
      && !can(jsondecode(aws_ecs_task_definition.airflow[0].container_definitions)[0].portMappings) && jsondecode(aws_ecs_task_definition.airflow[0].container_definitions)[0].linuxParameters.initProcessEnabled
      && jsondecode(aws_ecs_task_definition.airflow[0].container_definitions)[0].healthCheck.command == ["CMD", "python", "-m", "airflow_service.health"]
      && jsondecode(aws_ecs_task_definition.airflow[0].container_definitions)[0].stopTimeout == 30
      && jsondecode(aws_ecs_task_definition.airflow[0].container_definitions)[0].logConfiguration.options["awslogs-group"] == "/terraflow/terraflow/airflow"
    )
    error_message = "One container with its own image, a read-only root, no open port, a health check and a log."
  }
  assert {
    condition = (
      { for mount in jsondecode(aws_ecs_task_definition.airflow[0].container_definitions)[0].mountPoints : mount.sourceVolume => mount.containerPath } == {
        home = "/airflow", tmp = "/tmp", agents = "/managed-agents", ssm = "/var/lib/amazon/ssm", ssm-log = "/var/log/amazon/ssm"
      }
      && toset(aws_ecs_task_definition.airflow[0].volume[*].name) == toset(["home", "tmp", "agents", "ssm", "ssm-log"])
    )
    error_message = "Airflow and the agent of the port forwarding can write to their folders only."
  }
  assert {
    condition = { for variable in jsondecode(aws_ecs_task_definition.airflow[0].container_definitions)[0].environment : variable.name => variable.value } == {
      AIRFLOW_CONN_AWS_DEFAULT                  = "{\"conn_type\":\"aws\",\"extra\":{\"region_name\":\"eu-central-1\"}}"
      AIRFLOW_VAR_TERRAFLOW_BUCKET              = "terraflow-123456789012-eu-central-1"
      AIRFLOW__DATABASE__SQL_ALCHEMY_CONN       = "postgresql+psycopg2://airflow@database.example.org:5432/airflow"
      AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC = "postgresql+asyncpg://airflow@database.example.org:5432/airflow"
      AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER  = "s3://terraflow-123456789012-eu-central-1/airflow/logs"
      AIRFLOW__LOGGING__REMOTE_LOGGING          = "True"
      AIRFLOW__LOGGING__REMOTE_LOG_CONN_ID      = "aws_default"
      AWS_DEFAULT_REGION                        = "eu-central-1"
      PGSSLMODE                                 = "require"
      TERRAFLOW_AIRFLOW_HEADS                   = "4"
      TERRAFLOW_AIRFLOW_INBOX                   = "false"
      TERRAFLOW_AIRFLOW_SECRET                  = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:terraflow-airflow-a1b2c3"
      TERRAFLOW_DATABASE_SECRET                 = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds!db-1"
    }
    error_message = "The environment, which the console shows, names secrets and holds none."
  }

  # database
  assert {
    condition = (
      aws_db_instance.airflow[0].instance_class == "db.t4g.micro" && aws_db_instance.airflow[0].engine == "postgres" && aws_db_instance.airflow[0].storage_encrypted
      && !aws_db_instance.airflow[0].publicly_accessible && aws_db_instance.airflow[0].backup_retention_period == 7 && aws_db_instance.airflow[0].deletion_protection
      && aws_db_instance.airflow[0].engine_lifecycle_support == "open-source-rds-extended-support-disabled"
      && !aws_db_instance.airflow[0].skip_final_snapshot && aws_db_instance.airflow[0].vpc_security_group_ids == toset(["sg-00000000000000003"])
    )
    error_message = "The database is small, encrypted, backed up, private, without paid support of old versions, and can't be deleted."
  }
  assert {
    condition     = aws_db_instance.airflow[0].manage_master_user_password && aws_db_instance.airflow[0].password == null
    error_message = "RDS makes the password; Terraform has none."
  }
  assert {
    condition = (
      length(aws_db_subnet_group.airflow[0].subnet_ids) >= 1 && [for subnet in aws_subnet.airflow_database : subnet.cidr_block] == ["10.42.224.0/20", "10.42.240.0/20"]
      && aws_subnet.airflow_database[0].availability_zone != aws_subnet.airflow_database[1].availability_zone
    )
    error_message = "The database has two subnets of its own in two zones."
  }
  assert {
    condition = (
      aws_vpc_security_group_ingress_rule.airflow_database[0].referenced_security_group_id == "sg-00000000000000002" && aws_vpc_security_group_ingress_rule.airflow_database[0].security_group_id == "sg-00000000000000003"
      && aws_vpc_security_group_egress_rule.airflow_database[0].referenced_security_group_id == "sg-00000000000000003" && aws_vpc_security_group_egress_rule.airflow_database[0].to_port == 5432
    )
    error_message = "Only Airflow reaches the database."
  }

  # network, storage, registry, launcher
  assert {
    condition = (
      toset(keys(aws_vpc_endpoint.interface)) == toset(["batch", "ecr.api", "ecr.dkr", "logs", "secretsmanager", "ssmmessages"])
      && length(aws_vpc_endpoint.interface["ssmmessages"].subnet_ids) == 1 && length(aws_vpc_endpoint.interface["secretsmanager"].subnet_ids) == 1
    )
    error_message = "There are two endpoints more, in one zone."
  }
  assert {
    condition = [for rule in aws_s3_bucket_lifecycle_configuration.data.rule : [rule.filter[0].prefix, tostring(rule.expiration[0].days)] if rule.id == "airflow-logs"] == [
      ["airflow/logs/", "90"]
    ]
    error_message = "Logs of Airflow's tasks are kept as long as those of jobs."
  }
  assert {
    condition     = [for rule in jsondecode(aws_ecr_lifecycle_policy.this.policy).rules : try(rule.selection.tagPrefixList, [])] == [[], ["worker-"], ["report-"], ["airflow-"]]
    error_message = "Airflow's images are counted apart."
  }
  assert {
    condition = (
      jsondecode(aws_batch_job_definition.this["launcher"].container_properties).command == ["terraflow", "inbox", "--bucket", "terraflow-123456789012-eu-central-1", "--by", "Ref::by"]
      && length(aws_cloudwatch_event_rule.launch) == 0 && length(aws_iam_role.starter) == 0 && length(aws_scheduler_schedule.launch) == 0 && output.launcher_job_definition == "terraflow-launcher"
    )
    error_message = "There is a launcher without a limit of its own, and nothing but Airflow starts it."
  }
  assert {
    condition     = output.airflow.cluster == "terraflow-airflow" && output.airflow.service == "airflow" && output.airflow.secret_arn == aws_secretsmanager_secret.airflow[0].arn && output.airflow.budget == null
    error_message = "The service is found by its outputs."
  }
}

run "policies" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1a2b3c4d"
  }

  assert {
    condition = alltrue(flatten([
      for document in [data.aws_iam_policy_document.airflow_execution, data.aws_iam_policy_document.pull, data.aws_iam_policy_document.airflow[0], data.aws_iam_policy_document.airflow_page[0]] : [
        for statement in document.statement : [for action in statement.actions : !strcontains(action, "*")]
      ]
    ]))
    error_message = "No action holds a wildcard."
  }
  assert {
    condition = toset(flatten([
      for document in [data.aws_iam_policy_document.airflow_execution, data.aws_iam_policy_document.pull, data.aws_iam_policy_document.airflow[0], data.aws_iam_policy_document.airflow_page[0]] : [
        for statement in document.statement : tolist(statement.actions) if contains(statement.resources, "*")
      ]
      ])) == toset([
      "ecr:GetAuthorizationToken", "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
      "ecs:DescribeServices", "ecs:DescribeTasks", "ecs:ListTasks",
    ])
    error_message = "All resources (*) stand only where AWS accepts nothing else, or a condition names the cluster."
  }
  assert {
    condition = [for statement in data.aws_iam_policy_document.airflow[0].statement : statement.resources if contains(statement.actions, "secretsmanager:GetSecretValue")] == [
      toset(["arn:aws:secretsmanager:eu-central-1:123456789012:secret:terraflow-airflow-a1b2c3", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds!db-1"])
    ]
    error_message = "Airflow reads its two secrets, and no other."
  }
  assert {
    condition = [for statement in data.aws_iam_policy_document.airflow[0].statement : statement.resources if contains(statement.actions, "batch:SubmitJob")] == [toset([
      "arn:aws:batch:eu-central-1:123456789012:job-queue/terraflow-head", "arn:aws:batch:eu-central-1:123456789012:job-definition/terraflow-launcher",
      "arn:aws:batch:eu-central-1:123456789012:job-definition/terraflow-launcher:*",
    ])]
    error_message = "Beside what people may, Airflow submits launchers."
  }
  assert {
    condition     = one([for statement in data.aws_iam_policy_document.airflow_page[0].statement : statement.resources if contains(statement.actions, "ssm:StartSession")]) == toset(["arn:aws:ecs:eu-central-1:123456789012:task/terraflow-airflow/*", "arn:aws:ssm:eu-central-1::document/AWS-StartPortForwardingSession"])
    error_message = "People forward a port of this task, and open no shell."
  }
  assert {
    condition = (
      aws_db_instance.airflow[0].kms_key_id == var.kms_key_arn && aws_db_instance.airflow[0].master_user_secret_kms_key_id == var.kms_key_arn
      && aws_secretsmanager_secret.airflow[0].kms_key_id == var.kms_key_arn && aws_cloudwatch_log_group.airflow[0].kms_key_id == var.kms_key_arn
    )
    error_message = "The stack's key encrypts database, secrets and log."
  }
  assert {
    condition     = alltrue([for statement in data.aws_iam_policy_document.airflow[0].statement : one(statement.condition).values == tolist(["secretsmanager.eu-central-1.amazonaws.com"]) if contains(statement.actions, "kms:Decrypt")])
    error_message = "The key is used through Secrets Manager only."
  }
  assert {
    condition     = alltrue([for statement in data.aws_iam_policy_document.airflow_page[0].statement : one(statement.condition).variable == "ecs:cluster" if contains(statement.resources, "*")])
    error_message = "People see tasks of this cluster only."
  }
}

run "public_one_zone" {
  command = plan

  variables {
    network        = "public"
    zones          = 1
    vpc_cidr       = "192.168.4.0/24"
    architecture   = "ARM64"
    read_only_root = false
    airflow        = { enabled = true, inbox = true, budget = 20, keep_database = false }
  }

  assert {
    condition     = length(aws_vpc_endpoint.interface) == 0 && one(aws_ecs_service.airflow[0].network_configuration).assign_public_ip
    error_message = "In a public network the task has an address, and no endpoint costs money."
  }
  assert {
    condition = (
      length(aws_subnet.this) == 1 && [for subnet in aws_subnet.airflow_database : subnet.cidr_block] == ["192.168.4.224/28", "192.168.4.240/28"]
      && [for subnet in aws_subnet.airflow_database : subnet.availability_zone] == ["eu-central-1a", "eu-central-1b"] && !aws_db_instance.airflow[0].publicly_accessible
    )
    error_message = "With one zone the database still has two subnets, and no public address."
  }
  assert {
    condition     = !aws_db_instance.airflow[0].deletion_protection && aws_db_instance.airflow[0].skip_final_snapshot
    error_message = "The database can be deleted once that is said."
  }
  assert {
    condition = (
      one(aws_ecs_task_definition.airflow[0].runtime_platform).cpu_architecture == "ARM64" && !jsondecode(aws_ecs_task_definition.airflow[0].container_definitions)[0].readonlyRootFilesystem
      && { for variable in jsondecode(aws_ecs_task_definition.airflow[0].container_definitions)[0].environment : variable.name => variable.value if can(regex("HEADS|INBOX|VAR_", variable.name)) } == {
        AIRFLOW_VAR_TERRAFLOW_BUDGET = "20", AIRFLOW_VAR_TERRAFLOW_BUCKET = "terraflow-123456789012-eu-central-1"
        TERRAFLOW_AIRFLOW_HEADS      = "4", TERRAFLOW_AIRFLOW_INBOX = "true"
      }
    )
    error_message = "The DAGs know the limit, and that uploads are Airflow's to start."
  }
  assert {
    condition     = output.airflow.budget == 20
    error_message = "The limit is published for runs whose form says nothing."
  }
  assert {
    condition     = length(aws_s3_bucket_notification.data) == 0
    error_message = "Airflow asks the bucket, which sends no events that nobody hears."
  }
}

run "own_network" {
  command = plan

  variables {
    existing_network = { vpc_id = "vpc-00000000000000001", subnet_ids = ["subnet-00000000000000001", "subnet-00000000000000002"] }
  }

  assert {
    condition = (
      aws_db_subnet_group.airflow[0].subnet_ids == toset(["subnet-00000000000000001", "subnet-00000000000000002"]) && length(aws_subnet.airflow_database) == 0
      && one(aws_ecs_service.airflow[0].network_configuration).subnets == toset(["subnet-00000000000000001", "subnet-00000000000000002"])
    )
    error_message = "Service and database lie in the subnets that were named."
  }
  assert {
    condition     = aws_security_group.airflow[0].vpc_id == "vpc-00000000000000001" && aws_security_group.airflow_database[0].vpc_id == "vpc-00000000000000001" && length(aws_vpc_endpoint.interface) == 0
    error_message = "The stack makes no network."
  }
}

# People start runs with the upload rule, and others in Airflow: only its inbox would be a second one.
run "beside_the_upload_rule" {
  command = plan

  variables {
    inbox_budget = 20
  }

  assert {
    condition     = jsondecode(aws_batch_job_definition.this["launcher"].container_properties).command == ["terraflow", "inbox", "--bucket", "terraflow-123456789012-eu-central-1", "--budget", "20", "--by", "Ref::by"]
    error_message = "The launcher is that of the upload rule."
  }
}

run "news" {
  command = plan

  variables {
    notify_email = "lab@example.org"
    # Any file: the tests install no function.
    news_zip = "versions.tf"
  }

  assert {
    condition     = aws_s3_bucket_notification.data[0].eventbridge && toset(keys(aws_cloudwatch_event_rule.news)) == toset(["end", "sheets", "waits"])
    error_message = "Sheets that launchers of Airflow refuse are told, too."
  }
  assert {
    condition     = length(aws_cloudwatch_event_rule.launch) == 0 && length(aws_scheduler_schedule.launch) == 0
    error_message = "Events start nothing."
  }
}
