# Facts about the stack for other programs; `terraflow deploy` stores them for Snakemake's profile.

output "region" {
  description = "Region of the stack."
  value       = local.region
}

output "account_id" {
  description = "AWS account of the stack."
  value       = local.account
}

output "stack" {
  description = "Name of the stack."
  value       = var.stack
}

output "architecture" {
  description = "Processor that the images have to be built for."
  value       = var.architecture
}

output "bucket" {
  description = "Name of the data bucket."
  value       = aws_s3_bucket.data.bucket
}

output "repository_url" {
  description = "Image repository, without a tag."
  value       = aws_ecr_repository.this.repository_url
}

output "image_tag" {
  description = "Tag of the images in use, without the prefix worker- or report-."
  value       = var.image_tag
}

output "images" {
  description = "Full names of the images in use."
  value       = { worker = local.worker_image, report = local.report_image }
}

output "queues" {
  description = "Names of the job queues: spot, ondemand and, with head_jobs, head."
  value       = { for kind, queue in aws_batch_job_queue.this : kind => queue.name }
}

output "job_definitions" {
  description = "Names of the workers' job definitions by disk size in GiB."
  value       = { for size in var.disk_gib : tostring(size) => aws_batch_job_definition.this["worker-${size}gib"].name }
}

output "report_job_definition" {
  description = "Name of the job definition with the report's image."
  value       = aws_batch_job_definition.this["report"].name
}

output "head_job_definition" {
  description = "Name of the head jobs' definition; null without head_jobs."
  value       = one([for kind, definition in aws_batch_job_definition.this : definition.name if kind == "head"])
}

output "log_group" {
  description = "Log group of all jobs."
  value       = aws_cloudwatch_log_group.jobs.name
}

output "execution_role_arn" {
  description = "Role that Fargate starts tasks with."
  value       = aws_iam_role.execution.arn
}

output "job_role_arn" {
  description = "Role of the jobs."
  value       = aws_iam_role.job.arn
}

output "head_role_arn" {
  description = "Role of head jobs; null without head_jobs."
  value       = one(aws_iam_role.head[*].arn)
}

output "launcher_job_definition" {
  description = "Name of the launchers' job definition; null without inbox_budget and airflow."
  value       = one([for kind, definition in aws_batch_job_definition.this : definition.name if kind == "launcher"])
}

output "launcher_role_arn" {
  description = "Role of launchers; null without inbox_budget and airflow."
  value       = one(aws_iam_role.launcher[*].arn)
}

output "inbox_budget" {
  description = "US dollars that a run from the inbox may cost; null without an inbox."
  value       = var.inbox_budget
}

output "news_topic_arn" {
  description = "Topic that sends news of runs; null without notify_email."
  value       = one(aws_sns_topic.news[*].arn)
}

output "airflow" {
  description = "Cluster, service, image, log group, secret and budget of Airflow, and the policy to attach to people who open its page; null without airflow."
  value = one([for service in aws_ecs_service.airflow : {
    cluster         = local.airflow_name
    service         = service.name
    secret_arn      = aws_secretsmanager_secret.airflow[0].arn
    image           = local.airflow_image
    log_group       = aws_cloudwatch_log_group.airflow[0].name
    page_policy_arn = aws_iam_policy.airflow_page[0].arn
    budget          = var.airflow.budget
  }])
}

output "submit_policy_arn" {
  description = "Policy to attach to the people who run workflows."
  value       = aws_iam_policy.submit.arn
}

output "tags" {
  description = "Tags of the stack. A submission gives them to its jobs; the submit policy lets people end only jobs that carry them."
  value       = local.tags
}

output "old_versions_days" {
  description = "Days that the bucket keeps overwritten and deleted objects."
  value       = var.old_versions_days
}
