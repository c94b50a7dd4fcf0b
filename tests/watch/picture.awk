# SPDX-License-Identifier: GPL-2.0-only
#
# From lines of a terminal to an SVG.

function escaped(text) {
	gsub(/&/, "\\&amp;", text)
	gsub(/</, "\\&lt;", text)
	gsub(/>/, "\\&gt;", text)
	return text
}

{
	lines[NR] = $0
	if (length($0) > columns)
		columns = length($0)
}

END {
	width = 20 + columns * 7.3
	height = 20 + NR * 17
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\">\n", width, height
	printf "<title>%s</title>\n", escaped(title)
	printf "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n", width, height
	print "<g font-family=\"monospace\" font-size=\"12\" fill=\"#000000\" xml:space=\"preserve\">"
	for (i = 1; i <= NR; i++)
		printf "<text x=\"10\" y=\"%d\">%s</text>\n", 7 + i * 17, escaped(lines[i])
	print "</g>\n</svg>"
}
