# Mean depth of each window, from the windows (BED, in the reference's order) and `samtools depth -aa` of the same
# reference. Usage: awk -f mean_depth.awk windows.bed depth.txt
# With -v deepest=FILE, the depth of the deepest base is written to FILE.
# Names of contigs are compared as text: 1e1 is not 10.
function emit() {
    print contig[i], start[i], end[i], sum / (end[i] - start[i])
    sum = 0
    i++
}
BEGIN { OFS = "\t"; i = 0; n = 0; print "contig", "start", "end", "meandepth" }
FNR == NR { contig[n] = $1 ""; start[n] = $2; end[n] = $3; n++; next }
{
    while (i < n && ($1 != contig[i] || $2 > end[i])) emit()
    sum += $3
    if ($3 > most) most = $3
}
END {
    while (i < n) emit()
    if (deepest != "") print most + 0 > deepest
}
