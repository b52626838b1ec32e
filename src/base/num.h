/* num.h: numbers from text, strictly: the whole string, in range (both bounds
 * included), no blanks, no sign but '-', no leading zeros but "0" itself.  Where a
 * function says false, *out is as it was. */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool num_parse(const char *text, int64_t min, int64_t max, int64_t *out);
bool num_parse_n(const char *text, size_t n, int64_t min, int64_t max, int64_t *out);
/* A whole number in any spelling of JSON: also "3.0", "30e-1", "0.3E+1", "-0".
 * Nothing is rounded: "2.5" is none, and neither is what int64_t cannot hold. */
bool num_parse_whole(const char *text, int64_t min, int64_t max, int64_t *out);
/* Decimal fraction with a dot, as in JSON but without an exponent. */
bool num_parse_fraction(const char *text, double min, double max, double *out);
/* Bytes: a number with optional K, M, G or KiB, MiB, GiB (all powers of 1024). */
bool num_parse_size(const char *text, int64_t *out);
void num_format_size(int64_t bytes, char out[24]); /* exact: "64M", "1500" */

#endif
