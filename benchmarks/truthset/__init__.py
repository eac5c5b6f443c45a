"""How calls of the workflow are scored against a truth set, in the order of what happens.

`folder` finds reference, reads, truth and regions; `reads` thins, merges or compresses the reads anew where that is
asked for; `workflow` runs the workflow on them; `alleles` reads truth and calls as the alleles of a sample; `compare`
counts which of them match; `scores` gives the counts of a sample and prints them.

Positions are 1-based as in VCF; BED intervals and haplotype windows are 0-based and half-open.
"""
