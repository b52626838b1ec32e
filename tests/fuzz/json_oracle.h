/* json_oracle.h: RFC 8259 a second time, by recursive descent, for the target
 * `documents` to compare src/job/json_scan.c with.  What a document must be: one
 * object, UTF-8, no name twice in an object, none of the outermost with \u0000,
 * nested up to 64 deep.
 */
#ifndef FUZZ_JSON_ORACLE_H
#define FUZZ_JSON_ORACLE_H

#include <stddef.h>

#define ORACLE_MEMBERS_MAX 256

enum verdict {
    VALID,
    CUT,   /* not yet, but with the right bytes behind it */
    WRONG, /* whatever follows */
    UNSURE /* more members than are compared */
};

/* Where the outermost members lie: offsets, names with their quotes. */
struct oracle_member {
    size_t name, name_end, value, value_end;
};

enum verdict json_oracle(const char *text, size_t n, struct oracle_member *members,
                         size_t *count);

#endif
