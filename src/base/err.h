/* err.h: one error, told once, by whoever has a mouth.
 *
 * Functions that can fail for a reason a person must read take a
 * `struct err *` last, fill it and return -1; they print nothing, since there
 * are three mouths: a terminal, a log and (later) HTTP.  The kind decides the
 * exit code, the text is one line without a newline: what, where, what to do.
 * The text may hold bytes that came from a file: whoever prints it escapes it
 * (escape.h).
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err_kind {
    ERR_NONE,
    ERR_BAD,     /* the input is wrong: a document, a value */
    ERR_EXISTS,  /* duplicate id */
    ERR_UNKNOWN, /* no such job, no such spool */
    ERR_STATE,   /* the job is not in a state that allows this */
    ERR_BUSY,    /* somebody runs or moves it just now: try again */
    ERR_SYSTEM,  /* an unexpected errno: never a verdict on a job */
    ERR_USAGE,   /* the words of the call are off (exit 2) */
};

struct err {
    enum err_kind kind;
    int errnum; /* errno for ERR_SYSTEM, else 0 */
    char text[640];
};

#define ERR_INIT {ERR_NONE, 0, ""}

/* Fill *e (NULL is allowed: nobody wants to know).  Always returns -1. */
int err_set(struct err *e, enum err_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* "what where: strerror(errno)" with kind ERR_SYSTEM.  errno is read first
 * and kept.  Always returns -1. */
int err_sys(struct err *e, const char *what, const char *where);

/* "out of memory", with kind ERR_SYSTEM; errno becomes ENOMEM.  Always returns -1. */
int err_no_memory(struct err *e);

/* Put "prefix: " (formatted) before the text that is already there.
 * Always returns -1. */
int err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
