// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files and lines of a policy, and the list of errors. A wrong line costs that line
 * and no other, so that one run names every mistake; any error at all and there is
 * no policy.
 */
#include <errno.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/macro.h"
#include "base/verdict_word.h"
#include "policy/policy.h"
#include "policy/policy_parse.h"

__attribute__((format(printf, 3, 0))) static int parse_add_error(struct policy_errors *errors,
								 const struct policy_place *place,
								 const char *format, va_list args)
{
	_cleanup_free_ char *file = strdup(place->file);
	_cleanup_free_ char *text = NULL;
	struct policy_error *added;

	if (!file)
		return -ENOMEM;
	if (vasprintf(&text, format, args) < 0) {
		text = NULL; /* undefined after a failure */
		return -ENOMEM;
	}
	added = array_add(&errors->items, &errors->n_items, sizeof(*added));
	if (!added)
		return -ENOMEM;
	*added = (struct policy_error){
		.file = TAKE_PTR(file),
		.line = place->line,
		.column = place->column,
		.text = TAKE_PTR(text),
	};
	return -EINVAL;
}

int policy_fail_at(struct policy_parser *parser, const struct policy_place *place,
		   const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = parse_add_error(parser->errors, place, format, args);
	va_end(args);
	return r;
}

int policy_fail(struct policy_parser *parser, const struct policy_line *line, unsigned int column,
		const char *format, ...)
{
	const struct policy_place place = { line->file, line->number, column };
	va_list args;
	int r;

	va_start(args, format);
	r = parse_add_error(parser->errors, &place, format, args);
	va_end(args);
	return r;
}

int policy_check(struct policy_parser *parser, const struct policy_line *line,
		 const struct policy_word *word, int r, const struct reason *why)
{
	return r == -EINVAL ? policy_fail(parser, line, word->column, "%s", why->text) : r;
}

const struct policy_word *policy_next(struct policy_line *line)
{
	return line->next < line->words.n_items ? &line->words.items[line->next++] : NULL;
}

int policy_value(struct policy_parser *parser, struct policy_line *line,
		 const struct policy_word *owner, const struct policy_word **ret_value)
{
	const struct policy_word *word = policy_next(line);

	if (!word)
		return policy_fail(parser, line, owner->column, "'%s' needs a value", owner->text);
	if (word->comma)
		return policy_fail(parser, line, word->column, "'%s' needs a value, found ','",
				   owner->text);
	*ret_value = word;
	return 0;
}

/* One value of a list; comma is the one before it, if any. */
static int parse_list_value(struct policy_parser *parser, struct policy_line *line,
			    const struct policy_word *owner, const struct policy_word *comma)
{
	const struct policy_word *word = policy_next(line);

	if (!word && comma) {
		parser->continued = true;
		return policy_fail(
			parser, line, comma->column,
			"a value is missing after this comma: a list ends with its line");
	}
	if (!word)
		return policy_fail(parser, line, owner->column, "'%s' needs a value", owner->text);
	if (word->comma)
		return policy_fail(parser, line, word->column,
				   "a value is missing before this comma");
	if (!word->quoted && policy_lex_reserved(word->text))
		return policy_fail(parser, line, word->column,
				   "expected a value, found the condition '%s' "
				   "(in quotes it is a value)",
				   word->text);
	return 0;
}

int policy_list(struct policy_parser *parser, struct policy_line *line,
		const struct policy_word *owner, struct policy_list *ret_list)
{
	struct policy_list list = { .first = line->words.items + line->next };
	const struct policy_word *comma = NULL;
	int r;

	do {
		r = parse_list_value(parser, line, owner, comma);
		if (r < 0) {
			line->next = line->words.n_items;
			return r;
		}
		list.n++;
		comma = line->next < line->words.n_items ? &line->words.items[line->next] : NULL;
		if (comma && comma->comma)
			line->next++;
	} while (comma && comma->comma);
	*ret_list = list;
	return 0;
}

int policy_end(struct policy_parser *parser, const struct policy_line *line, const char *expected,
	       int r)
{
	const struct policy_word *word = &line->words.items[line->next];

	if (r == -ENOMEM || line->next >= line->words.n_items)
		return r;
	return policy_fail(parser, line, word->column, "expected %s, found '%s'", expected,
			   policy_shown_word(word).text);
}

static int parse_file(struct policy_parser *parser, const char *path,
		      const struct policy_place *place);

static int parse_fail_include(struct policy_parser *parser, const struct policy_place *place,
			      const char *path, const char *why)
{
	parser->ports_unknown = true;
	if (!place->line)
		return policy_fail_at(parser, place, "cannot read it: %s", why);
	return policy_fail_at(parser, place, "cannot include '%s': %s", policy_shown(path).text,
			      why);
}

static const char *parse_why_unreadable(int r)
{
	if (r == -ENOENT)
		return "there is no such file";
	return r == -ETIMEDOUT ? "no answer in time" : strerror(-r);
}

/* Reading each file once is what ends every cycle. */
static int parse_check_include(struct policy_parser *parser, const char *path,
			       const struct policy_place *place)
{
	const struct policy_source *source = parser->source;
	const struct policy *policy = parser->policy;

	if (source->same(source->userdata, path, place->file))
		return parse_fail_include(parser, place, path, "a file cannot include itself");
	for (size_t i = 0; i < policy->n_files; i++) {
		if (source->same(source->userdata, path, policy->files[i]))
			return parse_fail_include(parser, place, path,
						  "it was read already, and a file is read once");
	}
	if (parser->level == POLICY_LEVELS_MAX)
		return parse_fail_include(parser, place, path,
					  "files can include files to a depth of 16");
	if (policy->n_files < POLICY_FILES_MAX)
		return 0;
	if (parser->too_many_files)
		return -EINVAL;
	parser->too_many_files = true;
	return parse_fail_include(parser, place, path, "a policy can have 64 files");
}

struct paths {
	char **items;
	size_t n;
};

static void parse_paths_clear(struct paths *paths)
{
	for (size_t i = 0; i < paths->n; i++)
		free(paths->items[i]);
	free(paths->items);
}

static int parse_include(struct policy_parser *parser, struct policy_line *line,
			 const struct policy_word *name)
{
	const struct policy_source *source = parser->source;
	const struct policy_word *pattern;
	_cleanup_(parse_paths_clear) struct paths paths = { 0 };
	_cleanup_free_ char *why = NULL;
	struct policy_place place;
	int r, bad = 0;

	line->next = 1;
	r = policy_value(parser, line, name, &pattern);
	if (!r)
		r = policy_end(parser, line, "the end of the line", 0);
	if (r) {
		parser->ports_unknown = true;
		return r;
	}
	place = (struct policy_place){ line->file, line->number, pattern->column };
	if (!*pattern->text)
		return parse_fail_include(parser, &place, "", "the name is empty");
	r = source->expand(source->userdata, line->file, pattern->text, &paths.items, &paths.n,
			   &why);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return parse_fail_include(parser, &place, pattern->text,
					  why ? why : parse_why_unreadable(r));
	for (size_t i = 0; i < paths.n; i++) {
		r = parse_check_include(parser, paths.items[i], &place);
		if (!r)
			r = parse_file(parser, paths.items[i], &place);
		if (r == -ENOMEM)
			return r;
		bad = r < 0 ? r : bad;
	}
	return bad;
}

static int parse_fail_unknown(struct policy_parser *parser, const struct policy_line *line,
			      const struct policy_word *word)
{
	/* "prots 25": what follows "alow" is no number. */
	if (line->words.n_items > 1 && *word[1].text >= '0' && *word[1].text <= '9')
		parser->ports_unknown = true;
	return policy_fail(parser, line, word->column,
			   "unknown setting or rule '%s': expected ports, mode, reject, log, "
			   "limit, args, alert, packets, uplink, raw, replace, include, allow, "
			   "audit or deny",
			   policy_shown_word(word).text);
}

static int parse_words(struct policy_parser *parser, struct policy_line *line)
{
	bool continued = parser->continued;
	const struct policy_word *word;
	int r = -ENOENT;

	if (!line->words.n_items)
		return 0;
	word = line->words.items;
	parser->continued = false;
	if (!word->quoted && !parser->kept && !strcmp(word->text, "include"))
		return parse_include(parser, line, word);
	if (!word->quoted)
		r = policy_parse_setting(parser, line);
	if (!word->quoted && r == -ENOENT)
		r = policy_parse_rule(parser, line);
	if (r != -ENOENT)
		return r;
	/* The rest of a list that was said not to end with its line: the same mistake. */
	if (continued && word->column > 1) {
		parser->continued = line->words.items[line->words.n_items - 1].comma;
		return -EINVAL;
	}
	return parse_fail_unknown(parser, line, word);
}

/* Whether a line that has no words, for a wrong byte in it, may be one about ports. */
static bool parse_may_hide_ports(const char *line, size_t size)
{
	char word[16] = "";
	size_t len;

	while (size && (*line == ' ' || *line == '\t')) {
		line++;
		size--;
	}
	if (size && *line == '#')
		return false;
	for (len = 0; len < size && line[len] != ' ' && line[len] != '\t'; len++)
		;
	if (len == size || len >= sizeof(word))
		return true;
	memcpy(word, line, len);
	return verdict_from_word(word) < 0 && policy_find_setting(word) <= POLICY_PORTS;
}

static void parse_line_clear(struct policy_line *line)
{
	policy_words_clear(&line->words);
}

static int parse_line(struct policy_parser *parser, const char *file, unsigned int number,
		      const char *text, size_t size, size_t from)
{
	_cleanup_(parse_line_clear) struct policy_line line = { .file = file, .number = number };
	struct reason why;
	unsigned int column;
	int r = policy_lex_line(text, size, from, &line.words, &why, &column);

	if (r == -EINVAL) {
		parser->ports_unknown |= parse_may_hide_ports(text + from, size - from);
		parser->continued = false;
		return policy_fail(parser, &line, column, "%s", why.text);
	}
	return r < 0 ? r : parse_words(parser, &line);
}

static int parse_text(struct policy_parser *parser, const char *file, const char *text, size_t size)
{
	static const char bom[] = { '\xef', '\xbb', '\xbf' };
	const struct policy_place start = { file, 1, 1 };
	unsigned int number = 0;
	size_t from = 0;
	int r = 0;

	parser->continued = false;
	if (size >= sizeof(bom) && !memcmp(text, bom, sizeof(bom))) {
		from = sizeof(bom);
		r = policy_fail_at(parser, &start,
				   "UTF-8 byte order mark: save the file without it");
	}
	while (size && r != -ENOMEM) {
		const char *end = memchr(text, '\n', size);
		size_t len = end ? (size_t)(end - text) : size;

		r = parse_line(parser, file, ++number, text, len, from);
		from = 0;
		len += !!end;
		text += len;
		size -= len;
	}
	parser->continued = false;
	return r == -ENOMEM ? r : 0;
}

/* The policy keeps the name: places point at it. */
static int parse_add_file(struct policy *policy, const char *name, const char **ret_name)
{
	_cleanup_free_ char *copy = strdup(name);
	char **added;

	if (!copy)
		return -ENOMEM;
	added = array_add(&policy->files, &policy->n_files, sizeof(*added));
	if (!added)
		return -ENOMEM;
	*ret_name = *added = TAKE_PTR(copy);
	return 0;
}

static int parse_named_text(struct policy_parser *parser, const char *name, const char *text,
			    size_t size)
{
	const char *file;
	int r = parse_add_file(parser->policy, name, &file);

	if (r < 0)
		return r;
	parser->level++;
	r = parse_text(parser, file, text, size);
	parser->level--;
	return r;
}

/* place is the include that names the file; its line is 0 for the first file. */
static int parse_file(struct policy_parser *parser, const char *path,
		      const struct policy_place *place)
{
	const struct policy_source *source = parser->source;
	_cleanup_free_ char *text = NULL, *why = NULL;
	size_t size = 0;
	int r = source->read(source->userdata, path, &text, &size, &why);

	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return parse_fail_include(parser, place, path, why ? why : parse_why_unreadable(r));
	if (size > POLICY_FILE_MAX)
		return parse_fail_include(parser, place, path, "it is over 1 MiB");
	return parse_named_text(parser, path, text, size);
}

/* With an error that may hide a 'ports', a port that is not there proves nothing. */
static int parse_check_ports(struct policy_parser *parser)
{
	const struct policy *policy = parser->policy;

	for (size_t i = 0; i < parser->n_port_uses && !parser->ports_unknown; i++) {
		const struct policy_port_use *use = &parser->port_uses[i];
		bool guarded = false;

		for (size_t p = 0; p < policy->n_ports; p++)
			guarded |= policy->ports[p] == use->port;
		if (!guarded &&
		    policy_fail_at(parser, &use->place,
				   "port %u is not guarded: add it to 'ports' or leave it out here",
				   use->port) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}

static int parse_init(struct policy_parser *parser, const struct policy_source *source,
		      struct policy_errors *errors)
{
	struct policy *policy = calloc(1, sizeof(*policy));

	if (!policy)
		return -ENOMEM;
	policy->ports[policy->n_ports++] = 25;
	policy->mode = POLICY_ENFORCE;
	policy->reject = EPERM;
	policy->log = 1U << SMTPWARD_DENY | 1U << SMTPWARD_AUDIT;
	policy->limit_lines = 10;
	policy->limit_period = 1;
	policy->limit_burst = 100;
	policy->args = SMTPWARD_ARGS_SCRIPT;
	*parser = (struct policy_parser){ .source = source, .policy = policy, .errors = errors };
	return 0;
}

static void parse_clear(struct policy_parser *parser)
{
	tdestroy(parser->paths, free);
	free(parser->port_uses);
	policy_free(parser->policy);
}

static int parse_finish(struct policy_parser *parser, int r, struct policy **ret_policy)
{
	if (r != -ENOMEM)
		r = parse_check_ports(parser);
	if (r == -ENOMEM)
		return r;
	if (parser->errors->n_items)
		return -EINVAL;
	*ret_policy = TAKE_PTR(parser->policy);
	return 0;
}

int policy_parse(const char *path, const struct policy_source *source, struct policy **ret_policy,
		 struct policy_errors *errors)
{
	_cleanup_(parse_clear) struct policy_parser parser = { 0 };
	const struct policy_place place = { path, 0, 0 };
	int r = parse_init(&parser, source, errors);

	if (r < 0)
		return r;
	r = parse_file(&parser, path, &place);
	return parse_finish(&parser, r, ret_policy);
}

static int parse_whole_text(const char *name, const char *text, size_t size, bool kept,
			    const struct policy_source *source, struct policy **ret_policy,
			    struct policy_errors *errors)
{
	_cleanup_(parse_clear) struct policy_parser parser = { 0 };
	const struct policy_place place = { name, 0, 0 };
	int r = parse_init(&parser, source, errors);

	if (r < 0)
		return r;
	parser.kept = kept;
	if (size > POLICY_FILE_MAX && !kept)
		r = parse_fail_include(&parser, &place, name, "it is over 1 MiB");
	else
		r = parse_named_text(&parser, name, text, size);
	return parse_finish(&parser, r, ret_policy);
}

int policy_parse_text(const char *name, const char *text, size_t size,
		      const struct policy_source *source, struct policy **ret_policy,
		      struct policy_errors *errors)
{
	return parse_whole_text(name, text, size, false, source, ret_policy, errors);
}

int policy_parse_kept(const char *name, const char *text, size_t size,
		      const struct policy_source *source, struct policy **ret_policy,
		      struct policy_errors *errors)
{
	return parse_whole_text(name, text, size, true, source, ret_policy, errors);
}
