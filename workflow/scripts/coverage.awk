# From the records of a sorted file (SAM, at least flag, contig, position, mapping quality and CIGAR): the mean depth of each
# window, by what `samtools depth` counts, which leaves records out by their flags, and counts neither deletions nor
# introns. It costs by reads: `samtools depth` has a line for each base of the reference.
# Usage: samtools view … | awk -v flags=FILE -v deepest=FILE -f coverage.awk windows.bed -
# windows.bed has all of the reference in its order. The number of records by flag and mapping quality is written to
# `flags`, the depth of the deepest base to `deepest`, with -v without=CONTIG that of all other contigs.
# Names of contigs are compared as text: 1e1 is not 10. Arrays from which elements are deleted have strings as keys: mawk 1.3.4 of
# Debian 12 and Ubuntu 22.04 crashes where numbers and strings take turns.

# Unmapped, secondary, of failed quality, duplicate (0x704).
function left_out(flag) {
    return int(flag / 4) % 2 || int(flag / 256) % 8 > 0
}
# Add a block of bases, 0-based and half-open, to the windows that it lies in: the current one, or some that follow it.
function add(begin, end, window) {
    for (window = current; window < n && contig[window] == now && begin < end; window++) {
        if (begin >= ends_at[window]) continue
        sum[window] += (end < ends_at[window] ? end : ends_at[window]) - begin
        begin = ends_at[window]
    }
}
# Depth only rises where blocks begin, and blocks that have ended matter only where it could be more than ever.
function rise(at, number, end) {
    open += number
    if (open <= most || now == without "") return
    for (end in ended)
        if (end + 0 <= at) {
            open -= ended[end]
            delete ended[end]
        }
    if (open > most) most = open
}
# Let the blocks begin that lie behind a deletion or an intron, in order, up to a base.
function catch_up(to, number, begin) {
    while (later != "" && later <= to) {
        number = behind[later ""]
        delete behind[later ""]
        rise(later, number)
        later = ""
        for (begin in behind) if (later == "" || begin + 0 < later) later = begin + 0
    }
}
function finish_contig(end) {
    if (later != "") catch_up(1e18)
    for (end in ended) delete ended[end]
    open = 0
}
BEGIN { FS = OFS = "\t"; n = current = open = most = 0; later = "" }
FNR == NR { contig[n] = $1 ""; starts_at[n] = $2; ends_at[n] = $3 + 0; n++; next }
{
    records[$2 OFS $5]++
    if (!($2 in skipped)) skipped[$2] = left_out($2)
    if (skipped[$2] || $6 == "*") next
    if ($3 "" != now) {
        finish_contig()
        now = $3 ""
        while (current < n && contig[current] != now) current++
    }
    begin = $4 - 1
    while (current + 1 < n && begin >= ends_at[current] && contig[current + 1] == now) current++
    if (later != "") catch_up(begin)
    for (cigar = $6; match(cigar, /[^0-9]/); cigar = substr(cigar, RSTART + 1)) {
        bases = substr(cigar, 1, RSTART - 1) + 0
        kind = substr(cigar, RSTART, 1)
        if (kind ~ /[M=X]/) {
            add(begin, begin + bases)
            ended[(begin + bases) ""]++
            if (begin == $4 - 1) rise(begin, 1)
            else {
                behind[begin ""]++
                if (later == "" || begin < later) later = begin
            }
        }
        if (kind ~ /[M=XDN]/) begin += bases
    }
}
END {
    finish_contig()
    print "contig", "start", "end", "meandepth"
    for (window = 0; window < n; window++)
        print contig[window], starts_at[window], ends_at[window], sum[window] / (ends_at[window] - starts_at[window])
    for (key in records) print key, records[key] > flags
    printf "" > flags
    print most + 0 > deepest
}
