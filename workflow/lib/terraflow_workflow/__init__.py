"""The workflow's own Python: it reads what users give, checks it, and makes the tables that no tool makes."""

# The copy that lies with the Snakefile is the one that runs, whatever is installed: the version stands here.
__version__ = "0.2.0"
