# The database of Airflow: what ran, and what waits. The data of runs lie in the bucket and need none of it.

locals {
  # Without a password: the task writes one, which RDS changes each week, to where the drivers look for it.
  airflow_login = local.airflow ? "${aws_db_instance.airflow[0].username}@${aws_db_instance.airflow[0].endpoint}/${aws_db_instance.airflow[0].db_name}" : ""
  # RDS wants two zones, however many jobs run in. The last eighth of the VPC is never a subnet of tasks.
  database_subnets = local.airflow && local.own_vpc ? [for half in [0, 1] : cidrsubnet(cidrsubnet(var.vpc_cidr, 3, 7), 1, half)] : []
}

resource "aws_subnet" "airflow_database" {
  count = length(local.database_subnets)

  vpc_id            = aws_vpc.this[0].id
  cidr_block        = local.database_subnets[count.index]
  availability_zone = data.aws_availability_zones.usable[0].names[count.index]

  tags = { Name = "${local.airflow_name}-database-${count.index + 1}" }

  lifecycle {
    # A zone that AWS opens later must not move the subnets that are in use.
    ignore_changes = [availability_zone]

    precondition {
      condition     = length(data.aws_availability_zones.usable[0].names) >= 2
      error_message = "airflow needs a region with two usable availability zones for its database, and ${local.region} has ${length(data.aws_availability_zones.usable[0].names)}."
    }
  }
}

# They have the VPC's main route table, which leads nowhere.
resource "aws_db_subnet_group" "airflow" {
  count = local.airflow ? 1 : 0

  name        = local.airflow_name
  description = "Database of Airflow of ${var.stack}"
  subnet_ids  = local.own_vpc ? aws_subnet.airflow_database[*].id : var.existing_network.subnet_ids
}

resource "aws_security_group" "airflow_database" {
  count = local.airflow ? 1 : 0

  name_prefix = "${local.airflow_name}-database-"
  description = "Database of Airflow of ${var.stack}: PostgreSQL from Airflow, nothing out"
  vpc_id      = local.vpc_id

  tags = { Name = "${local.airflow_name}-database" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "airflow_database" {
  count = local.airflow ? 1 : 0

  security_group_id            = aws_security_group.airflow_database[0].id
  description                  = "PostgreSQL from Airflow"
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
  referenced_security_group_id = aws_security_group.airflow[0].id
}

resource "aws_db_instance" "airflow" {
  #checkov:skip=CKV_AWS_118:Measurements of a database that one task uses cost more than the database
  #checkov:skip=CKV_AWS_129:Its log tells of one client; what fails there stands in the log of Airflow, too
  #checkov:skip=CKV_AWS_157:A second zone doubles the price; runs go on without the database, and RDS restores it from a backup
  #checkov:skip=CKV_AWS_161:The first login would need the password all the same; RDS keeps and changes the password
  #checkov:skip=CKV_AWS_293:It is protected unless airflow.keep_database is false, which checkov can't read
  #checkov:skip=CKV_AWS_353:Measurements of a database that one task uses cost more than the database
  #checkov:skip=CKV2_AWS_30:Its log tells of one client; what fails there stands in the log of Airflow, too
  count = local.airflow ? 1 : 0

  identifier     = local.airflow_name
  engine         = "postgres"
  engine_version = "17"
  instance_class = "db.t4g.micro"
  db_name        = "airflow"
  username       = "airflow"
  # RDS makes the password and keeps it in Secrets Manager: Terraform never sees it.
  manage_master_user_password   = true
  master_user_secret_kms_key_id = var.kms_key_arn

  allocated_storage = 20
  storage_type      = "gp3"
  storage_encrypted = true
  kms_key_id        = var.kms_key_arn

  db_subnet_group_name   = aws_db_subnet_group.airflow[0].name
  vpc_security_group_ids = [aws_security_group.airflow_database[0].id]
  publicly_accessible    = false

  backup_retention_period    = 7
  copy_tags_to_snapshot      = true
  auto_minor_version_upgrade = true
  # No paid years after the version's end: RDS then installs the next one.
  engine_lifecycle_support = "open-source-rds-extended-support-disabled"

  deletion_protection       = var.airflow.keep_database
  skip_final_snapshot       = !var.airflow.keep_database
  final_snapshot_identifier = "${local.airflow_name}-last"
}
