"""What a user gives: the configuration, the sample sheet, and the files that they name."""
