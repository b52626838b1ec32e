/* term.h: what kind of terminal there is, if any. */
#ifndef CLI_TERM_H
#define CLI_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spool/name.h"

enum colour { COLOUR_NONE, COLOUR_GREEN, COLOUR_RED, COLOUR_YELLOW, COLOUR_CYAN, COLOUR_BOLD };

/* Columns of the terminal on stdout; 0: it is none, so nothing is cut. */
size_t term_width(void);
/* Is stderr a terminal: is somebody there to read hints? */
bool term_has_reader(void);
/* May stdout have colours: a terminal, not a dumb one, and not unwanted
 * (no_color, or NO_COLOR in the environment)? */
bool term_may_colour(bool no_color);
/* The escape sequence that begins it; "" ends any (COLOUR_NONE resets). */
const char *term_colour(enum colour c);
enum colour term_state_colour(enum dir state);
/* After raw output of a job on a terminal: colours off. */
void term_reset(void);

/* "yes" (--yes was given), or ask `question` on the terminal.  False: no, or
 * nobody to ask, and that has been said. */
bool term_confirm(bool yes, const char *question);

/* Local time: "2026-11-22 14:02:05"; "" for a time < 0. */
#define TERM_TIME_LEN 20
void term_time(int64_t us, char out[TERM_TIME_LEN]);
/* "14:02" today, else "2026-11-22 14:02". */
void term_time_short(int64_t us, char out[TERM_TIME_LEN]);

#endif
