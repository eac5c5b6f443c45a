"""The mitochondrial contig: called for the share of its copies that carry an allele, not for genotypes."""
