"""The workflow's own Python: it reads what users give, checks it, and makes the tables that no tool makes."""
