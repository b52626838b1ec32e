/* json_scan.h: is this text one strict JSON object, and where do its members
 * lie?  Private to json.c.
 */
#ifndef JOB_JSON_SCAN_H
#define JOB_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Offsets in the text; the name's include its quotes. */
struct json_spot {
    size_t name, name_end;
    size_t value, value_end;
};

/* Where the members of the outermost object lie, in their order; the caller
 * frees *spots.  -1: see json_parse for err and *incomplete (never NULL here). */
int json_scan(const char *text, size_t n, struct json_spot **spots, size_t *count,
              bool *incomplete, struct err *err);

/* Resolve the escapes of a scanned string, quotes included in n.  Needs room
 * for n - 2 bytes; returns how many it wrote (\u0000 is a NUL byte). */
size_t json_decode(const char *spelled, size_t n, char *out);

#endif
