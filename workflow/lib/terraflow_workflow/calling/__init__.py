"""Calling: ploidy, alleles that callers understand, filters."""
