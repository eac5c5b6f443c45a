"""Names that the server and its callers share."""

# The one account and the one region that the server is strict about.
ACCOUNT = "123456789012"
REGION = "us-east-1"
# Label of every container that a server starts; its value is the server's host and process, `HOST:PID`.
LABEL = "strict-aws.server"
# Path of the orders that a test gives to the server. No bucket can have this name.
ADMIN = "/moto-api/strict/"
