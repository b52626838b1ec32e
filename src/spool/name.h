/* name.h: the grammar of file names.  Here and nowhere else.
 *
 *   pending/ failed/   TIME.pPRIO.aATTEMPTS.ID.json          TIME = due, or "held"
 *   processing/        TIME.pPRIO.aATTEMPT.wTOKEN.ID.json    TIME = start
 *   done/ dead/        ID.json
 *
 * The name is the authority for due time, priority, attempts and owner; the
 * document for everything else.  The functions are pure, but for the two that
 * make something unique.
 */
#ifndef SPOOL_NAME_H
#define SPOOL_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/stamp.h"

/* The folders of a spool.  The first five are the states of a job, in the
 * order in which a job runs through them. */
enum dir {
    DIR_PENDING,
    DIR_FAILED,
    DIR_PROCESSING,
    DIR_DONE,
    DIR_DEAD,
    STATE_COUNT,
    DIR_TMP = STATE_COUNT,
    DIR_IDS,
    DIR_LOGS,
    DIR_WORKERS,
    DIR_CONTROL,
    DIR_QUARANTINE,
    DIR_JOURNAL,
    DIR_COUNT
};

const char *dir_name(enum dir d);                  /* "pending" ... */
bool dir_is_folder(const char *text);              /* any of them */
bool dir_state(const char *text, enum dir *state); /* the five states only */

#define ID_MAX 128
#define TOKEN_MAX 48
#define FILE_NAME_MAX 255
#define NAME_PRIORITY_MAX 100    /* and -100 */
#define NAME_ATTEMPTS_MAX 999999
#define NAME_FOREIGN_MAX 200     /* a longer foreign name leaves no room for ours */

struct name {
    int64_t time_us; /* due (waiting) or start (running); 0 when held, and for ended jobs */
    bool held;
    int priority;
    int attempts;
    char token[TOKEN_MAX + 1]; /* of the worker; running only, else "" */
    char id[ID_MAX + 1];
};

/* Is `file` a job's name in that state?  Fills *out.  parse(format(n)) == n. */
bool name_parse(enum dir state, const char *file, struct name *out);
void name_format(enum dir state, const struct name *n, char out[FILE_NAME_MAX + 1]);

/* [A-Za-z0-9][A-Za-z0-9._-]{0,127}, and not of the form wTOKEN.ID, which would
 * make a waiting name read like a running one, nor WHEN.pN.aN.ID, with which
 * ID.json, moved or dropped into pending/, would read like another job's. */
bool name_id_valid(const char *id);

/* In pending/: ends in .json, starts with no dot, and is not canonical. */
bool name_is_foreign(const char *file);

/* A dropped file in the hands of a pool is called .TOKEN.NAME: NAME, else NULL. */
const char *name_owned(const char *file, char token[TOKEN_MAX + 1]);

/* A token names one process for ever: boot-pid-start-random, of [0-9a-f-]. */
struct token {
    char boot[9]; /* the first eight digits of the boot id */
    int64_t pid;
    int64_t start; /* sys_process_start() */
};
bool token_parse(const char *text, struct token *out);
/* Text that begins with a token and a dot: what lies behind the dot, else NULL. */
const char *token_prefix(const char *text, char token[TOKEN_MAX + 1]);
void token_make(char out[TOKEN_MAX + 1]); /* for the calling process */

/* A new sortable id: the time and random digits, "20261122t031500-k3f9q2xw".
 * With a stem: its legal characters, cut to fit, "-" and eight random ones. */
void name_new_id(const char *stem, int64_t now_us, char out[ID_MAX + 1]);

#endif
