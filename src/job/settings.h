/* settings.h: queuectl.ini.
 *
 * One typed table (name, kind, default, bounds, text) feeds reading, the
 * `config` command, the manual page and the example file.  The file is read by
 * inih; everything in it is optional, and every key stands at top level or in a
 * section [queuectl].  A dash and an underscore in a key mean the same.
 */
#ifndef JOB_SETTINGS_H
#define JOB_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define SETTINGS_FILE "queuectl.ini"
#define SETTINGS_TEXT_MAX 150 /* bytes of a value; inih cuts lines at 200 */

enum durability { DURABILITY_AUTO, DURABILITY_ALWAYS, DURABILITY_NEVER };
enum orphans { ORPHANS_END, ORPHANS_WAIT };
enum cgroup_use { CGROUP_AUTO, CGROUP_YES, CGROUP_NO };

struct settings {
    int max_retries;        /* 3; 0 to 1000 */
    double backoff_base;    /* 2; 1 to 1000, a fraction is fine */
    int64_t backoff_max_ms; /* 1h; 1s up to DURATION_MAX_MS */
    double backoff_jitter;  /* 0; 0 to 1 */
    int64_t timeout_ms;     /* 0 = none */
    int priority;           /* 0; -100 to 100, or low, medium, normal, high */
    int64_t grace_ms;       /* 10s: TERM to KILL */
    int count;              /* workers of a pool; 1; 1 to 10000 */
    int64_t output_max;     /* 64M a stream and run; 0 = no bound */
    enum durability durability;
    enum orphans orphans;
    enum cgroup_use cgroup; /* auto: where systemd has delegated ours */
    bool durable_claim;
    char allow_users[SETTINGS_TEXT_MAX + 1]; /* names, blanks or commas between */
    char allow_group[SETTINGS_TEXT_MAX + 1]; /* one name */
};

enum setting_kind {
    SETTING_INT,
    SETTING_FRACTION,
    SETTING_DURATION,
    SETTING_PRIORITY,
    SETTING_SIZE,
    SETTING_WORD,
    SETTING_BOOL,
    SETTING_TEXT
};

struct setting {
    const char *name;    /* "max-retries": dashes */
    const char *alias;   /* "default-max-retries", or NULL */
    enum setting_kind kind;
    size_t offset;       /* in struct settings */
    const char *initial; /* the default as text */
    double min, max;     /* of numbers and durations (ms) */
    const char *words;   /* for SETTING_WORD: "auto|always|never" */
    const char *text;    /* one sentence for the manual */
};

extern const struct setting settings_table[];
extern const size_t settings_count;

/* By name or alias, either spelling; NULL if there is none. */
const struct setting *setting_find(const char *key);
/* The table's name nearest to a mistyped key, or NULL. */
const char *setting_nearest(const char *key);

void settings_init(struct settings *s); /* the defaults */

/* Check and store one value.  -1: ERR_BAD, naming key, value, what is accepted. */
int setting_assign(const struct setting *def, struct settings *s, const char *value,
                   struct err *err);
/* The value in force as text ("1h", "2", "auto"). */
void setting_text(const struct setting *def, const struct settings *s, struct buf *out);
/* What a person might misread, spelled out ("60000 s (16h40m)"), or "" . */
void setting_explain(const struct setting *def, const struct settings *s, struct buf *out);

/* Read dirfd/queuectl.ini over the defaults; a missing file is fine.  -1: *s has
 * the defaults and all good lines, *err the first bad line, with its number. */
int settings_load(int dirfd, struct settings *s, struct err *err);

/* Rewrite the file with this key set (value checked first) or, value NULL,
 * without it: comments and all other lines are kept, the new file is written
 * beside, synced and renamed.  Refused: the file is untouched. */
int settings_write(int dirfd, const char *key, const char *value, struct err *err);

/* Is the key set in the file (and not only by default)?  -1 errno: it cannot be read. */
int settings_is_set(int dirfd, const struct setting *def);

#endif
