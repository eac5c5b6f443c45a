# Permissions that no role and no policy may have. tests/cloud evaluates the callers' permissions call by call.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  image_tag     = "3f9c0a1b2c4d"
  input_buckets = ["sequencing-core"]
  kms_key_arn   = "arn:aws:kms:eu-central-1:123456789012:key/1a2b3c4d"
}

run "policies" {
  command = plan

  assert {
    condition = alltrue(flatten([
      for document in [
        data.aws_iam_policy_document.execution, data.aws_iam_policy_document.pull, data.aws_iam_policy_document.read, data.aws_iam_policy_document.data, data.aws_iam_policy_document.see,
        data.aws_iam_policy_document.run, data.aws_iam_policy_document.estimate, data.aws_iam_policy_document.submit, data.aws_iam_policy_document.launcher, data.aws_iam_policy_document.starter,
        data.aws_iam_policy_document.news,
        ] : [
        for statement in document.statement : [for action in statement.actions : !strcontains(action, "*")]
      ]
    ]))
    error_message = "No action holds a wildcard."
  }
  assert {
    condition = length(setintersection(
      ["s3:CreateBucket", "s3:DeleteBucket", "s3:DeleteObjectVersion", "s3:PutBucketPolicy", "s3:PutLifecycleConfiguration", "iam:PassRole", "batch:RegisterJobDefinition", "sts:AssumeRole"],
      flatten([
        for document in [
          data.aws_iam_policy_document.execution, data.aws_iam_policy_document.pull, data.aws_iam_policy_document.read, data.aws_iam_policy_document.data, data.aws_iam_policy_document.see,
          data.aws_iam_policy_document.run, data.aws_iam_policy_document.estimate, data.aws_iam_policy_document.submit, data.aws_iam_policy_document.launcher, data.aws_iam_policy_document.starter,
          data.aws_iam_policy_document.news,
        ] :
        document.statement[*].actions
      ])
    )) == 0
    error_message = "Nobody makes or deletes a bucket, deletes versions, passes roles or registers definitions."
  }
  assert {
    condition = alltrue(flatten([
      for document in [data.aws_iam_policy_document.data, data.aws_iam_policy_document.run, data.aws_iam_policy_document.submit] : [
        for statement in document.statement : statement.resources == toset(["arn:aws:s3:::data/runs/*"]) if contains(statement.actions, "s3:DeleteObject")
      ]
    ]))
    error_message = "Objects are deleted below runs/ only."
  }
  assert {
    condition = alltrue(flatten([
      for statement in data.aws_iam_policy_document.data.statement : [for resource in statement.resources : !startswith(resource, "arn:aws:s3:::data/raw/")] if contains(statement.actions, "s3:PutObject")
    ]))
    error_message = "A job does not write raw/."
  }
  assert {
    condition = alltrue(flatten([
      for document in [
        data.aws_iam_policy_document.execution, data.aws_iam_policy_document.pull, data.aws_iam_policy_document.read, data.aws_iam_policy_document.data, data.aws_iam_policy_document.see,
        data.aws_iam_policy_document.run, data.aws_iam_policy_document.estimate, data.aws_iam_policy_document.submit, data.aws_iam_policy_document.launcher, data.aws_iam_policy_document.starter,
        data.aws_iam_policy_document.news,
        ] : [
        for statement in document.statement : length(setsubtract(statement.actions, [
          # AWS has no resources for these actions.
          "batch:DescribeComputeEnvironments", "batch:DescribeJobDefinitions", "batch:DescribeJobQueues", "batch:DescribeJobs", "batch:ListJobs", "ecr:GetAuthorizationToken",
          "servicequotas:GetAWSDefaultServiceQuota", "servicequotas:GetServiceQuota",
        ])) == 0 if contains(statement.resources, "*")
      ]
    ]))
    error_message = "All resources (*) stand only where AWS accepts nothing else."
  }
  assert {
    condition = alltrue([
      for statement in data.aws_iam_policy_document.run.statement : anytrue([for c in statement.condition : c.variable == "aws:ResourceTag/stack" && c.values == tolist(["terraflow"])])
      if contains(statement.actions, "batch:TerminateJob")
    ])
    error_message = "Only jobs of this stack can be ended."
  }
  assert {
    condition = alltrue([
      for statement in flatten([for document in data.aws_iam_policy_document.submitting : document.statement]) : (
        alltrue([for arn in statement.resources : strcontains(arn, ":job-definition/terraflow-") || strcontains(arn, ":job-queue/")])
        && toset(one([for c in statement.condition : c.values if c.variable == "aws:TagKeys" && c.test == "ForAllValues:StringEquals"])) == toset([
          "project", "stack", "terraflow:run", "terraflow:rule", "terraflow:sample",
        ])
        && anytrue([for c in statement.condition : c.variable == "aws:RequestTag/stack" && c.test == "StringEquals" && c.values == tolist(["terraflow"])])
      )
      if contains(statement.actions, "batch:TagResource")
    ])
    error_message = "Tags are given with a submission only, and only those that the stack and its jobs have; never to a job that is there."
  }
  assert {
    condition = alltrue([
      for statement in data.aws_iam_policy_document.read.statement : statement.resources == toset([var.kms_key_arn]) && one(statement.condition).values == tolist(["s3.eu-central-1.amazonaws.com"])
      if contains(statement.actions, "kms:Decrypt")
    ])
    error_message = "The key is used through S3 only."
  }
  assert {
    condition = alltrue([
      for statement in data.aws_iam_policy_document.read.statement : statement.actions == toset(["s3:GetObject"]) if contains(statement.resources, "arn:aws:s3:::sequencing-core/*")
    ])
    error_message = "Other buckets are only read."
  }
  assert {
    condition = [for statement in data.aws_iam_policy_document.read.statement : one(statement.condition).test if statement.sid == "ListData"] == [
      "StringLikeIfExists"
    ]
    error_message = "A missing object is missing, not forbidden: that takes s3:ListBucket without a prefix."
  }
  assert {
    condition     = one(data.aws_iam_policy_document.bucket.statement).effect == "Deny" && one(one(data.aws_iam_policy_document.bucket.statement).condition).variable == "aws:SecureTransport"
    error_message = "The bucket answers over TLS only."
  }
  assert {
    condition     = toset(one(data.aws_iam_policy_document.task_trust.statement).condition[*].variable) == toset(["aws:SourceAccount", "aws:SourceArn"])
    error_message = "Only tasks of this account take a role."
  }
  assert {
    condition     = alltrue([for document in data.aws_iam_policy_document.endpoint : one(one(document.statement).condition).variable == "aws:PrincipalAccount"])
    error_message = "Endpoints serve this account only."
  }
}

run "without_options" {
  command = plan

  variables {
    input_buckets = []
    kms_key_arn   = null
  }

  assert {
    condition     = !anytrue(flatten([for statement in data.aws_iam_policy_document.read.statement : [for action in statement.actions : startswith(action, "kms:")]]))
    error_message = "There is no permission for a key that is not used."
  }
  assert {
    condition     = alltrue(flatten([for statement in data.aws_iam_policy_document.read.statement : [for resource in statement.resources : startswith(resource, "arn:aws:s3:::data")]]))
    error_message = "No bucket is named but the stack's."
  }
}
