# Where the images lie: worker-<hash> for nearly every rule, report-<hash> for the report's,
# airflow-<hash> for Airflow where it is on.

resource "aws_ecr_repository" "this" {
  #checkov:skip=CKV_AWS_136:Images hold software and no data, and a change of key would delete the repository with what jobs use
  name                 = var.stack
  image_tag_mutability = "IMMUTABLE"
  force_delete         = var.force_destroy

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "AES256"
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  repository = aws_ecr_repository.this.name

  policy = jsonencode({
    rules = concat(
      [{
        rulePriority = 1
        description  = "What no tag names is left over from a push"
        selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 1 }
        action       = { type = "expire" }
      }],
      [for index, kind in concat(["worker", "report"], local.airflow ? ["airflow"] : []) : {
        rulePriority = index + 2
        description  = "The newest ${kind} images"
        selection    = { tagStatus = "tagged", tagPrefixList = ["${kind}-"], countType = "imageCountMoreThan", countNumber = var.images_kept }
        action       = { type = "expire" }
      }],
    )
  })
}
