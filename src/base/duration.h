/* duration.h: lengths of time as people write them. */
#ifndef BASE_DURATION_H
#define BASE_DURATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DURATION_MAX_MS (INT64_C(3650) * 24 * 3600 * 1000) /* ten years */
#define DURATION_TEXT_LEN 40

/* Falling; the last has suffix NULL. */
struct duration_unit {
    const char *suffix;
    int64_t ms;
};
extern const struct duration_unit duration_units[];

/* "500ms", "90s", "5m", "2h", "1d", "1.5h", "1h30m" (parts in falling order of
 * unit), or a bare number: seconds (a fraction is fine).  No sign, no blanks
 * inside; blanks around are allowed.  False: not of that form, or over
 * DURATION_MAX_MS. */
bool duration_parse(const char *text, int64_t *ms);

/* A number of seconds (from a JSON number) with the same bounds. */
bool duration_from_seconds(double seconds, int64_t *ms);

/* Shortest exact form that duration_parse reads back: "0", "500ms", "90s" ->
 * "1m30s", "16h40m", "1d". */
void duration_format(int64_t ms, char out[DURATION_TEXT_LEN]);

#endif
