"""The annotation, and what variants do to proteins."""
