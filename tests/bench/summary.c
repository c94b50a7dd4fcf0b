// SPDX-License-Identifier: GPL-2.0-only
/*
 * From samples to the table, to JSON and to fields separated by tabs. On stdin, in such
 * fields:
 *
 *	sample SERIES ROUND VALUE
 *	show   SERIES UNIT AIM TITLE		the median of a series
 *	ratio  SERIES SERIES AIM TITLE		the median of its ratios, round by round
 *	about  NAME TEXT			what was measured, where
 *
 * AIM is "<NUMBER", ">NUMBER", "=NUMBER" (the interval has that number in it, or nothing
 * that is 2 percent away from it) or "-". Rows come in the order of show and ratio, which
 * follow all samples. The interval is that of order statistics, of at least 95 percent; of
 * less than six samples, it is all of them.
 *
 *	summary RESULTS.json RESULTS.tsv
 *
 * The fields of a row of the latter: its series, "/" and the second of a ratio, unit,
 * median, low, high, n, aim, verdict, title.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/cleanup.h"

#define FIELDS 5

struct sample {
	char *series;
	long round;
	double value;
};

struct summary {
	struct sample *samples;
	size_t n_samples;
	json_t *about;
	json_t *rows;
	FILE *tsv;
};

struct estimate {
	size_t n;
	double median, low, high;
};

static void summary_clear(struct summary *summary)
{
	for (size_t i = 0; i < summary->n_samples; i++)
		free(summary->samples[i].series);
	free(summary->samples);
	json_decref(summary->about);
	json_decref(summary->rows);
	if (summary->tsv)
		fclose(summary->tsv);
}

static int compare(const void *left, const void *right)
{
	const double a = *(const double *)left, b = *(const double *)right;

	return a < b ? -1 : a > b;
}

/*
 * How many values may be cut off at each end: the largest k for which the median lies
 * outside of the k-th values from both ends with a chance of 5 percent at most.
 */
static size_t cut_off(size_t n)
{
	double chance = 1, tail = 0;
	size_t k;

	for (size_t i = 0; i < n; i++)
		chance /= 2;
	for (k = 0; k < n / 2; k++) {
		tail += chance;
		if (2 * tail > 0.05)
			break;
		chance = chance * (double)(n - k) / (double)(k + 1);
	}
	return k ? k - 1 : 0;
}

static struct estimate estimate(double *values, size_t n)
{
	size_t cut = cut_off(n);

	qsort(values, n, sizeof(*values), compare);
	return (struct estimate){
		.n = n,
		.median = n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2,
		.low = values[cut],
		.high = values[n - 1 - cut],
	};
}

static int add_sample(struct summary *summary, char **field)
{
	struct sample *grown =
		reallocarray(summary->samples, summary->n_samples + 1, sizeof(*grown));

	if (!grown)
		return -1;
	summary->samples = grown;
	grown[summary->n_samples] = (struct sample){
		.series = strdup(field[1]),
		.round = strtol(field[2], NULL, 10),
		.value = strtod(field[3], NULL),
	};
	return grown[summary->n_samples++].series ? 0 : -1;
}

static const struct sample *find(const struct summary *summary, const char *series, long round)
{
	for (size_t i = 0; i < summary->n_samples; i++)
		if (summary->samples[i].round == round &&
		    !strcmp(summary->samples[i].series, series))
			return &summary->samples[i];
	return NULL;
}

/* The values of a series, or their ratios to those of another in the same rounds. */
static size_t collect(const struct summary *summary, const char *series, const char *per,
		      double *ret_values)
{
	size_t n = 0;

	for (size_t i = 0; i < summary->n_samples; i++) {
		const struct sample *sample = &summary->samples[i], *base;

		if (strcmp(sample->series, series))
			continue;
		base = per ? find(summary, per, sample->round) : NULL;
		if (per && (!base || base->value <= 0))
			continue;
		ret_values[n++] = sample->value / (base ? base->value : 1);
	}
	return n;
}

static const char *judge(const struct estimate *estimate, const char *aim)
{
	double number = strtod(aim + 1, NULL);

	if (*aim == '=')
		return (estimate->low <= number && number <= estimate->high) ||
				       (estimate->low > number * 0.98 &&
					estimate->high < number * 1.02)
			       ? "met"
			       : "not met";
	if (*aim == '-')
		return "";
	if (*aim == '<' ? estimate->high < number : estimate->low > number)
		return "met";
	if (*aim == '<' ? estimate->low >= number : estimate->high <= number)
		return "not met";
	return "undecided";
}

static int add_row(struct summary *summary, const char *series, const char *per, const char *unit,
		   const char *aim, const char *title)
{
	_cleanup_free_ double *values = calloc(summary->n_samples + 1, sizeof(*values));
	const char *verdict;
	struct estimate row;
	size_t n;

	if (!values)
		return -1;
	n = collect(summary, series, per, values);
	if (!n)
		return 0;
	row = estimate(values, n);
	verdict = judge(&row, aim);
	fprintf(summary->tsv, "%s%s%s\t%s\t%.9g\t%.9g\t%.9g\t%zu\t%s\t%s\t%s\n", series,
		per ? " / " : "", per ?: "", unit, row.median, row.low, row.high, n, aim, verdict,
		title);
	printf("%-72s %11.*f  [%.*f, %.*f] %s  n=%zu%s%s%s%s\n", title, per ? 3 : 1, row.median,
	       per ? 3 : 1, row.low, per ? 3 : 1, row.high, unit, n, *verdict ? "  aim " : "",
	       *verdict ? aim : "", *verdict ? ": " : "", verdict);
	return json_array_append_new(
		summary->rows, json_pack("{s:s, s:s, s:s*, s:s, s:I, s:f, s:f, s:f, s:s, s:s}",
					 "title", title, "series", series, "per", per, "unit", unit,
					 "n", (json_int_t)n, "median", row.median, "low", row.low,
					 "high", row.high, "aim", aim, "verdict", verdict));
}

static int take(struct summary *summary, char **field, int n)
{
	if (n == 4 && !strcmp(field[0], "sample"))
		return add_sample(summary, field);
	if (n == 5 && !strcmp(field[0], "show"))
		return add_row(summary, field[1], NULL, field[2], field[3], field[4]);
	if (n == 5 && !strcmp(field[0], "ratio"))
		return add_row(summary, field[1], field[2], "x", field[3], field[4]);
	if (n != 3 || strcmp(field[0], "about"))
		return -1;
	printf("%-12s %s\n", field[1], field[2]);
	fprintf(summary->tsv, "#%s\t%s\n", field[1], field[2]);
	return json_object_set_new(summary->about, field[1], json_string(field[2]));
}

static int take_line(struct summary *summary, char *line)
{
	char *field[FIELDS], *rest = line;
	int n = 0;

	line[strcspn(line, "\n")] = '\0';
	while (n < FIELDS && (field[n] = strsep(&rest, "\t")))
		n++;
	return rest ? -1 : take(summary, field, n);
}

static int write_results(struct summary *summary, const char *path)
{
	json_t *all = json_pack("{s:O, s:O}", "about", summary->about, "results", summary->rows);
	int err = !all || json_dump_file(all, path, JSON_INDENT(2));

	json_decref(all);
	return err;
}

int main(int argc, char **argv)
{
	_cleanup_(summary_clear) struct summary summary = {
		.about = json_object(),
		.rows = json_array(),
	};
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	if (argc != 3)
		return 2;
	summary.tsv = fopen(argv[2], "we");
	if (!summary.tsv) {
		perror(argv[2]);
		return 1;
	}
	while (getline(&line, &size, stdin) > 0) {
		if (take_line(&summary, line)) {
			fprintf(stderr, "summary: cannot use: %s\n", line);
			return 1;
		}
	}
	if (write_results(&summary, argv[1]) || fflush(summary.tsv)) {
		fprintf(stderr, "summary: cannot write %s\n", argv[1]);
		return 1;
	}
	return 0;
}
