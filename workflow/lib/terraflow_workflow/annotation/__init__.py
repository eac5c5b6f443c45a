"""The annotation, and the consequences of variants for proteins."""
