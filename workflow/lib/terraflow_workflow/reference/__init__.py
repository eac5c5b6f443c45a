"""The reference and its windows."""
