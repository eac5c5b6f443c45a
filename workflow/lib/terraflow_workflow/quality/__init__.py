"""Tables and figures about reads, alignments and variants."""
