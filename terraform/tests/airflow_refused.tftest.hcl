# Settings of Airflow that are refused.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  image_tag         = "3f9c0a1b2c4d"
  airflow_image_tag = "a1b2c3d4e5f6"
  airflow           = { enabled = true }
}

run "two_inboxes" {
  command = plan

  variables {
    inbox_budget = 20
    airflow      = { enabled = true, inbox = true, budget = 20 }
  }

  expect_failures = [var.airflow]
}

run "inbox_without_a_limit" {
  command = plan

  variables {
    airflow = { enabled = true, inbox = true }
  }

  expect_failures = [var.airflow]
}

run "inbox_without_airflow" {
  command = plan

  variables {
    airflow = { inbox = true, budget = 20 }
  }

  expect_failures = [var.airflow]
}

run "no_budget" {
  command = plan

  variables {
    airflow = { enabled = true, budget = 0 }
  }

  expect_failures = [var.airflow]
}

run "without_heads" {
  command = plan

  variables {
    head_jobs = false
  }

  expect_failures = [var.airflow]
}

run "without_an_image" {
  command = plan

  variables {
    airflow_image_tag = null
  }

  expect_failures = [var.airflow_image_tag]
}

run "own_network_with_one_subnet" {
  command = plan

  variables {
    existing_network = { vpc_id = "vpc-00000000000000001", subnet_ids = ["subnet-00000000000000001"] }
  }

  expect_failures = [var.airflow]
}

run "region_with_one_zone" {
  command = plan

  variables {
    zones = 1
  }

  override_data {
    target = data.aws_availability_zones.usable
    values = { names = ["eu-central-1a"] }
  }

  expect_failures = [aws_subnet.airflow_database]
}
