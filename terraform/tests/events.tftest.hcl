# What starts runs without anybody, and what tells people of them: off, and on in both kinds of network.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

override_resource {
  target          = aws_iam_role.launcher
  override_during = plan
  values          = { arn = "arn:aws:iam::123456789012:role/launcher" }
}

override_resource {
  target          = aws_iam_role.starter
  override_during = plan
  values          = { arn = "arn:aws:iam::123456789012:role/starter" }
}

variables {
  image_tag = "3f9c0a1b2c4d"
  # Any file: the tests install no function.
  news_zip = "versions.tf"
}

run "off" {
  command = plan

  assert {
    condition = sum([
      length(aws_s3_bucket_notification.data), length(aws_iam_role.launcher), length(aws_iam_role.starter), length(aws_iam_role.news),
      length(aws_iam_role_policy.launcher), length(aws_iam_role_policy.starter), length(aws_iam_role_policy.news), length(aws_cloudwatch_event_rule.launch),
      length(aws_cloudwatch_event_target.launch), length(aws_scheduler_schedule.launch), length(aws_sns_topic.news), length(aws_sns_topic_subscription.news),
      length(aws_sns_topic_policy.news), length(aws_cloudwatch_log_group.news), length(aws_lambda_function.news), length(aws_cloudwatch_event_rule.news),
      length(aws_cloudwatch_event_target.news), length(aws_lambda_permission.news),
    ]) == 0
    error_message = "What is off makes no resource."
  }
  assert {
    condition     = !contains(keys(aws_batch_job_definition.this), "launcher") && output.launcher_job_definition == null && output.launcher_role_arn == null && output.news_topic_arn == null
    error_message = "There is no launcher."
  }
}

run "inbox" {
  command = plan

  variables {
    inbox_budget = 20
  }

  assert {
    condition     = aws_s3_bucket_notification.data[0].eventbridge
    error_message = "The bucket sends events."
  }
  assert {
    condition = { for by, rule in aws_cloudwatch_event_rule.launch : by => jsondecode(rule.event_pattern) } == {
      upload = {
        source = ["aws.s3"], detail-type = ["Object Created"]
        detail = { bucket = { name = ["terraflow-123456789012-eu-central-1"] }, object = { key = [{ wildcard = "raw/*/samples.tsv" }] } }
      }
      end = {
        source = ["aws.batch"], detail-type = ["Batch Job State Change"]
        detail = {
          jobQueue      = ["arn:aws:batch:eu-central-1:123456789012:job-queue/terraflow-head"], status = ["SUCCEEDED", "FAILED"]
          jobDefinition = [{ prefix = "arn:aws:batch:eu-central-1:123456789012:job-definition/terraflow-head:" }]
        }
      }
    }
    error_message = "A sheet and the end of a head start a launcher; reads, and the end of a launcher, do not."
  }
  assert {
    condition = alltrue([
      for target in aws_cloudwatch_event_target.launch : one(target.batch_target).job_definition == "terraflow-launcher" && one(target.batch_target).job_name == "terraflow-launcher"
      && target.role_arn == "arn:aws:iam::123456789012:role/starter"
    ])
    error_message = "EventBridge submits launchers."
  }
  assert {
    condition     = { for by, schedule in aws_scheduler_schedule.launch : by => schedule.schedule_expression } == { again = "rate(1 hour)" }
    error_message = "Missing files are looked for again each hour, and the clock starts nothing else."
  }
  assert {
    condition = (
      jsondecode(aws_batch_job_definition.this["launcher"].container_properties).command == [
        "terraflow", "inbox", "--bucket", "terraflow-123456789012-eu-central-1", "--budget", "20", "--by", "Ref::by"
      ]
      && aws_batch_job_definition.this["launcher"].parameters == tomap({ by = "upload" })
      && jsondecode(aws_batch_job_definition.this["launcher"].container_properties).resourceRequirements[0].value == "0.5"
      && jsondecode(aws_batch_job_definition.this["launcher"].container_properties).resourceRequirements[1].value == "4096"
      && jsondecode(aws_batch_job_definition.this["launcher"].container_properties).jobRoleArn == "arn:aws:iam::123456789012:role/launcher"
      && aws_batch_job_definition.this["launcher"].timeout[0].attempt_duration_seconds == 3600
    )
    error_message = "The launcher is small, has a role of its own, and knows the limit."
  }
  assert {
    condition     = one([for statement in data.aws_iam_policy_document.launcher.statement : statement.resources if contains(statement.actions, "s3:DeleteObject")]) == toset(["arn:aws:s3:::data/runs/*/head/run.json"])
    error_message = "A launcher takes its claim of a run back, and deletes nothing else."
  }
  assert {
    condition     = jsondecode(aws_batch_job_definition.this["worker-20gib"].container_properties).resourceRequirements[0].value == "1" && !can(jsondecode(aws_batch_job_definition.this["worker-20gib"].container_properties).command)
    error_message = "Other definitions stay as they are."
  }
  assert {
    condition     = length(aws_lambda_function.news) == 0 && length(aws_cloudwatch_event_rule.news) == 0 && output.inbox_budget == 20 && output.launcher_job_definition == "terraflow-launcher"
    error_message = "Nobody is mailed without notify_email."
  }
}

run "schedule_and_news" {
  command = plan

  variables {
    inbox_budget = 0.5
    schedule     = "cron(0 5 * * ? *)"
    notify_email = "lab@example.org"
    kms_key_arn  = "arn:aws:kms:eu-central-1:123456789012:key/1a2b3c4d"
    network      = "public"
  }

  assert {
    condition = { for by, schedule in aws_scheduler_schedule.launch : by => [schedule.schedule_expression, jsondecode(one(schedule.target).input).Parameters.by] } == {
      again = ["rate(1 hour)", "upload"], clock = ["cron(0 5 * * ? *)", "clock"]
    }
    error_message = "The clock starts launchers that say so."
  }
  assert {
    condition = alltrue([
      for schedule in aws_scheduler_schedule.launch : jsondecode(one(schedule.target).input).JobDefinition == "terraflow-launcher" && !can(jsondecode(one(schedule.target).input).Tags)
      && one(schedule.target).arn == "arn:aws:scheduler:::aws-sdk:batch:submitJob"
    ])
    error_message = "Schedules submit the same launcher as events do, without tags."
  }
  assert {
    condition     = { for kind, rule in aws_cloudwatch_event_rule.news : kind => try(coalesce(rule.schedule_expression), "") } == { end = "", sheets = "", waits = "rate(30 minutes)" }
    error_message = "Ends, sheets and long waits are told."
  }
  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.news["sheets"].event_pattern).detail.object.key == [{ wildcard = "raw/*/inbox.json" }] && !can(jsondecode(aws_cloudwatch_event_rule.news["end"].event_pattern).detail.jobDefinition)
    error_message = "What became of a sheet, and how heads and launchers ended, calls the function."
  }
  assert {
    condition     = aws_sns_topic.news[0].kms_master_key_id == var.kms_key_arn && aws_sns_topic_subscription.news[0].protocol == "email" && aws_sns_topic_subscription.news[0].endpoint == "lab@example.org"
    error_message = "The topic is encrypted with the stack's key and mails the address."
  }
  assert {
    condition = (
      alltrue([for statement in data.aws_iam_policy_document.topic.statement : statement.effect == "Deny" && statement.actions == toset(["sns:Publish"])])
      && [for statement in data.aws_iam_policy_document.topic.statement : "${one(statement.condition).test} ${one(statement.condition).variable} ${join("", one(statement.condition).values)}"] == [
        "ArnNotEquals aws:PrincipalArn arn:aws:iam::123456789012:role/terraflow-news-eu-central-1", "Bool aws:SecureTransport false",
      ]
    )
    error_message = "The function alone publishes, and over TLS alone."
  }
  assert {
    condition = (
      aws_lambda_function.news[0].runtime == "python3.13" && length(aws_lambda_function.news[0].vpc_config) == 0
      && one(aws_lambda_function.news[0].logging_config).log_group == "/terraflow/terraflow/news" && aws_cloudwatch_log_group.news[0].retention_in_days == 90
    )
    error_message = "The function runs outside the network and writes to a log that is kept as long as the others."
  }
  assert {
    condition     = jsondecode(aws_batch_job_definition.this["launcher"].container_properties).networkConfiguration.assignPublicIp == "ENABLED"
    error_message = "In a public network the launcher has an address."
  }
}

# News of runs that people start need no inbox, and no endpoint in a private network.
run "news_alone" {
  command = plan

  variables {
    notify_email = "lab@example.org"
  }

  assert {
    condition     = keys(aws_cloudwatch_event_rule.news) == ["end", "waits"] && length(aws_s3_bucket_notification.data) == 0 && length(aws_scheduler_schedule.launch) == 0
    error_message = "Only news are on."
  }
  assert {
    condition     = toset(keys(aws_vpc_endpoint.interface)) == toset(["batch", "ecr.api", "ecr.dkr", "logs"]) && aws_sns_topic.news[0].kms_master_key_id == "alias/aws/sns"
    error_message = "News add no endpoint, and no key that costs money."
  }
}

run "code_is_missing" {
  command = plan

  variables {
    notify_email = "lab@example.org"
    news_zip     = "nowhere.zip"
  }

  expect_failures = [aws_lambda_function.news]
}

run "without_heads" {
  command = plan

  variables {
    head_jobs    = false
    inbox_budget = 20
    notify_email = "lab@example.org"
  }

  expect_failures = [var.inbox_budget, var.notify_email]
}

run "no_limit" {
  command = plan

  variables {
    schedule = "rate(1 day)"
  }

  expect_failures = [var.schedule]
}

run "bounds_below" {
  command = plan

  variables {
    inbox_budget = 0
    notify_email = "lab"
  }

  expect_failures = [var.inbox_budget, var.notify_email]
}

run "bounds_above" {
  command = plan

  variables {
    inbox_budget = 1000001
    notify_email = "a@example.org,b@example.org"
  }

  expect_failures = [var.inbox_budget, var.notify_email]
}

run "no_rate" {
  command = plan

  variables {
    inbox_budget = 1000000
    schedule     = "rate(0 days)"
  }

  expect_failures = [var.schedule]
}

run "cron_of_five" {
  command = plan

  variables {
    inbox_budget = 0.01
    schedule     = "cron(0 5 * * ?)"
  }

  expect_failures = [var.schedule]
}
