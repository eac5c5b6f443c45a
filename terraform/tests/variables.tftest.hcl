# Values that each variable refuses. A run gives many variables one bad value each; all have to be refused.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  image_tag = "3f9c0a1b2c4d"
}

run "bounds_below" {
  command = plan

  variables {
    region             = "eu-central"
    stack              = "a"
    tags               = { "" = "x" }
    architecture       = "x86_64"
    image_tag          = ""
    images_kept        = 1
    network            = "Private"
    vpc_cidr           = "10.0.0.0/15"
    zones              = 0
    existing_network   = { vpc_id = "vpc-00000000000000001", subnet_ids = [] }
    bucket_name        = "ab"
    kms_key_arn        = "alias/key"
    old_versions_days  = 0
    intermediates_days = 0
    input_buckets      = ["s3://bucket"]
    spot_max_vcpus     = 0
    ondemand_max_vcpus = 0
    head_max_vcpus     = 0
    disk_gib           = []
    attempts           = 0
    timeout_hours      = 0
    stuck_seconds      = 599
    log_retention_days = 0
  }

  expect_failures = [
    var.region, var.stack, var.tags, var.architecture, var.image_tag, var.images_kept, var.network, var.vpc_cidr, var.zones,
    var.existing_network, var.bucket_name, var.kms_key_arn, var.old_versions_days, var.intermediates_days, var.input_buckets,
    var.spot_max_vcpus, var.ondemand_max_vcpus, var.head_max_vcpus, var.disk_gib, var.attempts, var.timeout_hours, var.stuck_seconds, var.log_retention_days,
  ]
}

run "bounds_above" {
  command = plan

  variables {
    region             = "eu-central-1a"
    stack              = "abcdefghijklmnopqrstuvwxy"
    tags               = { for i in range(21) : "key${i}" => "x" }
    architecture       = "ARM"
    image_tag          = "a/b"
    images_kept        = 1001
    network            = "nat"
    vpc_cidr           = "10.0.0.0/25"
    zones              = 7
    existing_network   = { vpc_id = "vpc-00000000000000001", subnet_ids = [for i in range(17) : format("subnet-%017d", i)] }
    bucket_name        = "a.b.c"
    kms_key_arn        = "arn:aws:kms:eu-central-1:123456789012:alias/key"
    old_versions_days  = 3651
    intermediates_days = 3651
    input_buckets      = [for i in range(4) : "bucket-${i}"]
    spot_max_vcpus     = 100001
    ondemand_max_vcpus = 100001
    head_max_vcpus     = 1001
    disk_gib           = [20, 201]
    attempts           = 11
    timeout_hours      = 337
    stuck_seconds      = 86401
    log_retention_days = 100
  }

  expect_failures = [
    var.region, var.stack, var.tags, var.architecture, var.image_tag, var.images_kept, var.network, var.vpc_cidr, var.zones,
    var.existing_network, var.bucket_name, var.kms_key_arn, var.old_versions_days, var.intermediates_days, var.input_buckets,
    var.spot_max_vcpus, var.ondemand_max_vcpus, var.head_max_vcpus, var.disk_gib, var.attempts, var.timeout_hours, var.stuck_seconds, var.log_retention_days,
  ]
}

run "forms" {
  command = plan

  variables {
    stack              = "Lab_A"
    tags               = { Stack = "x" }
    image_tag          = "latest"
    images_kept        = 2.5
    vpc_cidr           = "10.42.1.0/16"
    zones              = 1.5
    existing_network   = { vpc_id = "my-vpc", subnet_ids = ["subnet-00000000000000001"] }
    bucket_name        = "xn--bucket"
    old_versions_days  = 1.5
    intermediates_days = 1.5
    spot_max_vcpus     = 1.5
    ondemand_max_vcpus = 1.5
    head_max_vcpus     = 1.5
    disk_gib           = [20, 50.5]
    attempts           = 1.5
    timeout_hours      = 1.5
    stuck_seconds      = 600.5
  }

  expect_failures = [
    var.stack, var.tags, var.image_tag, var.images_kept, var.vpc_cidr, var.zones, var.existing_network, var.bucket_name, var.old_versions_days,
    var.intermediates_days, var.spot_max_vcpus, var.ondemand_max_vcpus, var.head_max_vcpus, var.disk_gib, var.attempts, var.timeout_hours, var.stuck_seconds,
  ]
}

run "more_forms" {
  command = plan

  variables {
    stack            = "lab--a"
    tags             = { "aws:thing" = "x" }
    vpc_cidr         = "everywhere"
    existing_network = { vpc_id = "vpc-00000000000000001", subnet_ids = ["my-subnet"] }
    bucket_name      = "Bucket"
    disk_gib         = [19]
  }

  expect_failures = [var.stack, var.tags, var.vpc_cidr, var.existing_network, var.bucket_name, var.disk_gib]
}

run "repeated" {
  command = plan

  variables {
    tags     = { cost = "1", Cost = "2" }
    disk_gib = [50, 50]
  }

  expect_failures = [var.tags, var.disk_gib]
}

run "too_many_sizes" {
  command = plan

  variables {
    disk_gib = range(20, 27)
  }

  expect_failures = [var.disk_gib]
}

# The largest and smallest allowed values, so that no check refuses too much.
run "lowest" {
  command = plan

  variables {
    stack              = "ab"
    tags               = { "Kostenstelle ä" = "" }
    images_kept        = 2
    vpc_cidr           = "10.0.0.0/24"
    zones              = 1
    old_versions_days  = 1
    intermediates_days = 1
    spot_max_vcpus     = 1
    ondemand_max_vcpus = 1
    head_max_vcpus     = 1
    disk_gib           = [20]
    attempts           = 1
    timeout_hours      = 1
    stuck_seconds      = 600
    log_retention_days = 1
  }
}

run "highest" {
  command = plan

  variables {
    stack              = "abcdefghijklmnopqrstuvwx"
    tags               = { for i in range(20) : "key${i}" => "x" }
    image_tag          = "v1.2_rc-3"
    images_kept        = 1000
    vpc_cidr           = "10.0.0.0/16"
    zones              = 3
    kms_key_arn        = "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/mrk-1a2b3c4d"
    old_versions_days  = 3650
    intermediates_days = 3650
    input_buckets      = [for i in range(3) : "bucket.number-${i}"]
    spot_max_vcpus     = 100000
    ondemand_max_vcpus = 100000
    head_max_vcpus     = 1000
    disk_gib           = [200, 21]
    attempts           = 10
    timeout_hours      = 336
    stuck_seconds      = 86400
    log_retention_days = 3653
  }
}
