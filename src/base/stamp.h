/* stamp.h: points in wall time as text.  All are microseconds since 1970, UTC. */
#ifndef BASE_STAMP_H
#define BASE_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STAMP_NAME_LEN 23 /* 20261122T031500.250000Z, fixed width: sorts by time */
#define STAMP_ISO_LEN 27  /* 2026-11-22T03:15:00.250000Z */

/* The years 1970 to 9999; a time outside is clamped to that range. */
void stamp_name_format(int64_t us, char out[STAMP_NAME_LEN + 1]);
/* Exactly STAMP_NAME_LEN characters of exactly that form and a real date
 * (no second 60); what follows is the caller's.  print(parse(x)) == x. */
bool stamp_name_parse(const char *text, int64_t *us);

void stamp_iso_format(int64_t us, char out[STAMP_ISO_LEN + 1]);

/* What people write: 2026-11-22T03:15[:00[.25]][Z|+01:00|+0100|+01], a space
 * for the T (and lower-case t and z), a date alone (midnight), seconds since
 * 1970 as digits with an optional fraction.  Without a zone: local time.  Any
 * number of fractional digits (cut to microseconds).  The whole text must fit;
 * second 60 is taken as the next second's 0. */
bool stamp_parse(const char *text, int64_t *us);

#endif
