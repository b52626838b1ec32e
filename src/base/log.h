/* log.h: one line an event, for programs that have no terminal.
 *
 * A line is "2026-11-22T03:15:00.250Z pool 1234: text".  It is written with one
 * write(2) to a descriptor opened O_APPEND, so that lines of several processes
 * do not mix.  The text is escaped: a file name in it cannot forge a line.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

/* Three severities, and the fourth is abort(3). */
enum log_level { LOG_NOTE, LOG_WARN, LOG_FATAL };

/* role is "pool", "worker" ...; fd stays the caller's and must outlive the
 * use.  Before this call lines go to stderr. */
void log_open(const char *role, int fd);
void log_set_fd(int fd); /* after the file was reopened */

/* LOG_FATAL only marks the line; the caller ends the process. */
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same of a text that is there already. */
void log_text(enum log_level level, const char *text);

#define log_note(...) log_line(LOG_NOTE, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)

/* Our invariant is broken: say where and abort with a core. */
#define BUG(text) log_bug(__FILE__, __LINE__, text)
_Noreturn void log_bug(const char *file, int line, const char *text);

#endif
