"""News of runs by e-mail. All but `package` runs in AWS Lambda, on the standard library and boto3."""
