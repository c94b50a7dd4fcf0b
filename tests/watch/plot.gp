# SPDX-License-Identifier: GPL-2.0-only
#
# From samples of 'smtpward status --metrics' to an SVG: what happened to attempts, by verdict, and
# what of them got a line.
#
#	gnuplot -e "figures='FILE'; svg='FILE'" plot.gp

set terminal svg size 1100,380 font 'sans-serif,13' background 'white'
set output svg
set multiplot layout 1,2
set style data steps
set key right top
set grid
set xlabel 'seconds'
set xrange [0:*]
set yrange [0:*]

# The rate of a counter between two samples; none at the first.
since = NaN
rate(now, value) = (per = now > since ? (value - before) / (now - since) : NaN, \
	before = value, since = now, per)
drawn(name) = sprintf('%s/s', name)

set title 'connects to port 25, by verdict'
plot for [name in 'denied audited allowed'] figures \
	using (column('seconds')):(rate(column('seconds'), column(name))) lw 2 title drawn(name)
set title 'what got a line'
plot for [name in 'recorded suppressed'] figures \
	using (column('seconds')):(rate(column('seconds'), column(name))) lw 2 title drawn(name)
unset multiplot
