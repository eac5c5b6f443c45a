# The data bucket: raw/ and reference/ (inputs), runs/<run>/ (results and intermediates).

locals {
  bucket_name = coalesce(var.bucket_name, "${var.stack}-${local.account}-${local.region}")
}

resource "aws_s3_bucket" "data" {
  #checkov:skip=CKV_AWS_18:Access logs need a second bucket; where the law asks for them, CloudTrail's data events cover the account
  #checkov:skip=CKV_AWS_144:Results can be made again from the reads; a copy in another region would double what storage costs
  #checkov:skip=CKV2_AWS_62:Without inbox_budget nothing waits for events of the bucket; with it they are on
  bucket        = local.bucket_name
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_public_access_block" "data" {
  bucket = aws_s3_bucket.data.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "data" {
  bucket = aws_s3_bucket.data.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "data" {
  bucket = aws_s3_bucket.data.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "data" {
  bucket = aws_s3_bucket.data.id

  rule {
    # One request to KMS then serves many objects.
    bucket_key_enabled = var.kms_key_arn != null

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_policy" "data" {
  bucket = aws_s3_bucket.data.id
  policy = data.aws_iam_policy_document.bucket.json

  # Both resources change the bucket's policy settings; one of them fails when they are applied at the same time.
  depends_on = [aws_s3_bucket_public_access_block.data]
}

data "aws_iam_policy_document" "bucket" {
  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.data.arn, "${aws_s3_bucket.data.arn}/*"]

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

resource "aws_s3_bucket_lifecycle_configuration" "data" {
  bucket = aws_s3_bucket.data.id

  rule {
    id     = "aborted-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      # A large file takes days on a slow line.
      days_after_initiation = 7
    }
  }

  rule {
    id     = "old-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.old_versions_days
    }

    # Delete the marker of a deletion once no version is left behind it.
    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "intermediates"
    status = "Enabled"

    filter {
      and {
        prefix = "runs/"
        tags   = { "terraflow:lifetime" = "intermediate" }
      }
    }

    expiration {
      days = var.intermediates_days
    }

    # A run deletes its own intermediates, and nobody wants them back; where rules differ, S3 takes the shorter time.
    noncurrent_version_expiration {
      noncurrent_days = 1
    }
  }

  dynamic "rule" {
    for_each = local.airflow ? ["airflow-logs"] : []

    content {
      id     = rule.value
      status = "Enabled"

      filter {
        prefix = "airflow/logs/"
      }

      expiration {
        days = var.log_retention_days
      }

      noncurrent_version_expiration {
        noncurrent_days = 1
      }
    }
  }

  # A rule on old versions needs versioning.
  depends_on = [aws_s3_bucket_versioning.data]
}
