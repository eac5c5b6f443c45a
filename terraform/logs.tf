# What jobs print: a stream for each attempt.

resource "aws_cloudwatch_log_group" "jobs" {
  name              = "/terraflow/${var.stack}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}
