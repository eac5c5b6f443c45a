# The logs of jobs: a stream for each attempt.

resource "aws_cloudwatch_log_group" "jobs" {
  #checkov:skip=CKV_AWS_338:The retention is a variable: results are in the bucket, and logs cost by month kept
  name              = "/terraflow/${var.stack}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}
