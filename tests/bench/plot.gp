# SPDX-License-Identifier: GPL-2.0-only
#
# From results.tsv to an SVG: what a refused connect takes, by contender and by rules.
#
#	gnuplot -e "results='FILE'; svg='FILE'" plot.gp

set terminal svg size 1100,440 font 'sans-serif,13' background 'white'
set output svg
set datafile separator "\t"
set multiplot layout 1,2

# The lines of a series with its numbers: median, low, high.
rows(pattern) = sprintf("< grep -P '^%s\\t' %s", pattern, results)
step(name) = real(name[strstrt(name, 'rules/') + 6:*])

set title 'connect(2) to port 25, refused: µs, median and 95% interval'
set style fill solid 0.8 noborder
set errorbars lc rgb 'black'
set xrange [-0.6:5.6]
set yrange [0:*]
set grid ytics
set key off
bars = rows('refused/(smtpward|record|rules256|nftables|iptables|owner)')
plot bars using 0:($3 / 1000):($4 / 1000):($5 / 1000):(0.6):xtic(substr(strcol(1), 9, 99)) \
	with boxerrorbars lc rgb '#4477aa'

set title 'by rules: µs'
set key left top
set xtics norotate (1, 4, 16, 64, 256)
set logscale xy
set yrange [0.3:*]
set xrange [0.8:320]
set xlabel 'rules'
plot for [c in 'smtpward nftables iptables'] rows('refused/'.c.'/rules/[0-9]+') \
	using (step(strcol(1))):($3 / 1000):($4 / 1000):($5 / 1000) with yerrorlines lw 2 title c
unset multiplot
