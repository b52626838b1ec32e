/* term.c: a terminal is asked for its width first, then COLUMNS; a pipe is
 * never cut. */
#include "cli/term.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/num.h"
#include "cli/say.h"

#define WIDTH_USUAL 80
#define WIDTH_MIN 20
#define WIDTH_MAX 10000

size_t term_width(void)
{
    if (!isatty(STDOUT_FILENO))
        return 0;
    struct winsize ws;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col >= WIDTH_MIN)
        return ws.ws_col;
    const char *text = getenv("COLUMNS");
    int64_t columns = WIDTH_USUAL;
    if (text && num_parse(text, WIDTH_MIN, WIDTH_MAX, &columns))
        return (size_t)columns;
    return WIDTH_USUAL;
}

bool term_has_reader(void)
{
    return isatty(STDERR_FILENO);
}

bool term_may_colour(bool no_color)
{
    const char *unwanted = getenv("NO_COLOR");
    const char *kind = getenv("TERM");
    return !no_color && !(unwanted && *unwanted) && kind && *kind && strcmp(kind, "dumb") != 0 &&
           isatty(STDOUT_FILENO);
}

const char *term_colour(enum colour c)
{
    static const char *const codes[] = {
        [COLOUR_NONE] = "\033[0m",    [COLOUR_GREEN] = "\033[32m", [COLOUR_RED] = "\033[31m",
        [COLOUR_YELLOW] = "\033[33m", [COLOUR_CYAN] = "\033[36m",  [COLOUR_BOLD] = "\033[1m",
    };
    return codes[c];
}

enum colour term_state_colour(enum dir state)
{
    static const enum colour colours[STATE_COUNT] = {
        [DIR_PENDING] = COLOUR_NONE, [DIR_FAILED] = COLOUR_YELLOW, [DIR_PROCESSING] = COLOUR_CYAN,
        [DIR_DONE] = COLOUR_GREEN,   [DIR_DEAD] = COLOUR_RED,
    };
    return colours[state];
}

void term_reset(void)
{
    const char *kind = getenv("TERM");
    if (isatty(STDOUT_FILENO) && kind && strcmp(kind, "dumb") != 0)
        fputs(term_colour(COLOUR_NONE), stdout);
}

bool term_confirm(bool yes, const char *question)
{
    if (yes)
        return true;
    if (!isatty(STDIN_FILENO) || !term_has_reader()) {
        say("%s Nobody is here to ask: say --yes", question);
        return false;
    }
    struct buf line = BUF_INIT;
    escape_adds(&line, question);
    fprintf(stderr, "%s [y/N] ", buf_str(&line));
    buf_release(&line);
    char answer[16];
    if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return true;
    say("nothing was changed");
    return false;
}

static bool local(int64_t us, struct tm *tm)
{
    time_t seconds = (time_t)(us / US_PER_SEC);
    return us >= 0 && localtime_r(&seconds, tm);
}

void term_time(int64_t us, char out[TERM_TIME_LEN])
{
    struct tm tm;
    if (!local(us, &tm) || !strftime(out, TERM_TIME_LEN, "%Y-%m-%d %H:%M:%S", &tm))
        out[0] = '\0';
}

void term_time_short(int64_t us, char out[TERM_TIME_LEN])
{
    struct tm then, now;
    out[0] = '\0';
    if (!local(us, &then) || !local(clock_wall_us(), &now))
        return;
    if (then.tm_year == now.tm_year && then.tm_yday == now.tm_yday)
        (void)strftime(out, TERM_TIME_LEN, "%H:%M", &then);
    else
        (void)strftime(out, TERM_TIME_LEN, "%Y-%m-%d %H:%M", &then);
}
