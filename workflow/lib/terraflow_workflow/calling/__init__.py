"""What calling variants needs: ploidy, alleles that callers understand, filters that work."""
