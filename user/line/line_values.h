/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Values of a line's fields that a function makes of the line, and another one understands: the way
 * there and the way back stand beside each other. line_fields.c has which field is which.
 */
#ifndef SMTPWARD_LINE_VALUES_H
#define SMTPWARD_LINE_VALUES_H

#include "line/line_fields.h"

/* The longest of their kind. */
#define LINE_DEFAULT "default" /* as rule: no rule matched */
#define LINE_MAC_TEXT "00:00:00:00:00:00"

void line_value_set_number(struct line_field *field, uint64_t number);
void line_value_set_text(struct line_field *field, enum line_field_kind kind, const char *text,
			 size_t len);

/* Digits as they are written here: no sign, and no zero in front. */
bool line_value_parse_number(const char *text, size_t len, uint64_t most, uint64_t *ret_number);

/* Each sets the field's value: a pointer into the line, to a constant, or to field->dst. */
void line_value_version(const struct line *line, struct line_field *field);
void line_value_time(const struct line *line, struct line_field *field);
void line_value_healed(const struct line *line, struct line_field *field);
void line_value_verdict(const struct line *line, struct line_field *field);
void line_value_rule(const struct line *line, struct line_field *field);
void line_value_hook(const struct line *line, struct line_field *field);
void line_value_dst(const struct line *line, struct line_field *field);
void line_value_any_dst(const struct line *line, struct line_field *field);
void line_value_src(const struct line *line, struct line_field *field);
void line_value_orig_src(const struct line *line, struct line_field *field);
void line_value_smac(const struct line *line, struct line_field *field);
void line_value_vlan(const struct line *line, struct line_field *field);
void line_value_auid(const struct line *line, struct line_field *field);

/* False: the text, which has no NUL behind it, is not such a value as the program writes it. */
bool line_value_parse_version(const char *text, size_t len, struct line_field *field);
bool line_value_parse_time(const char *text, size_t len, struct line_field *field);
bool line_value_parse_healed(const char *text, size_t len, struct line_field *field);
bool line_value_parse_verdict(const char *text, size_t len, struct line_field *field);
bool line_value_parse_rule(const char *text, size_t len, struct line_field *field);
bool line_value_parse_hook(const char *text, size_t len, struct line_field *field);
bool line_value_parse_guest_hook(const char *text, size_t len, struct line_field *field);
bool line_value_parse_raw_hook(const char *text, size_t len, struct line_field *field);
bool line_value_parse_dst(const char *text, size_t len, struct line_field *field);
bool line_value_parse_any_address(const char *text, size_t len, struct line_field *field);
bool line_value_parse_smac(const char *text, size_t len, struct line_field *field);
bool line_value_parse_vlan(const char *text, size_t len, struct line_field *field);
bool line_value_parse_auid(const char *text, size_t len, struct line_field *field);

#endif /* SMTPWARD_LINE_VALUES_H */
