/* job.h: the job document: what a producer may say, and what the queue records.
 *
 * One table (job_members) names every member the queue knows, its kind, whether
 * the producer writes it or the queue, and what is accepted.  Members outside
 * the table are the user's and kept byte for byte through any number of runs.
 */
#ifndef JOB_JOB_H
#define JOB_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "job/json.h"
#include "job/settings.h"
#include "spool/name.h"

#define JOB_ERROR_MAX 400    /* bytes of last_error */
#define JOB_HISTORY_MAX 20   /* runs kept */
#define JOB_LOST_MAX 3       /* lost in a row: dead */

struct member_reading; /* see member_read.h */
struct job_member {
    const char *name;
    const char *noun;    /* what its value is: "duration" */
    const char *accepts; /* for messages and the manual: 90, "90s", "5m" */
    const char *text;    /* one sentence for the manual */
    size_t offset;       /* in struct job, of what `read` fills */
    int (*read)(const struct member_reading *r); /* 0, EINVAL, ENOMEM; NULL: nothing follows it */
    bool recorded;       /* written by the queue, ignored and overwritten on the way in */
    int64_t min, max;    /* of a number, both included but for times; else of a length */
    const struct member_word {
        const char *word;
        int value;
    } *words;            /* that stand for values; the last has word NULL */
    const char *schema;  /* what a producer may write, as JSON Schema; see job_schema.c.
                            NULL where recorded: anything goes */
    const char *examples; /* for the schema: values with commas between, ' for the quotes */
};
extern const struct job_member job_members[];
extern const size_t job_member_count;

/* Unset values: "" / NULL / has_... false; numbers as said. */
struct job {
    struct json_doc *doc;
    /* the producer's */
    char id[ID_MAX + 1];
    char *command;       /* exactly one of command and argv; both NULL for a report
                            (see is_report) */
    char **argv;         /* NULL-terminated */
    bool has_priority;
    int priority;
    bool has_max_retries;
    int max_retries;
    double backoff_base; /* 0: the setting */
    int64_t timeout_ms;  /* -1: the setting; 0: none */
    int64_t run_at_us;   /* -1: none */
    int64_t delay_ms;    /* -1: none */
    char *cwd;
    char **env;          /* "NAME=value", NULL-terminated, or NULL */
    bool detach;
    bool crash_is_death; /* on_crash: "dead" */
    bool is_report;      /* has member "quarantined": about a file that is no job */
    char *quarantined;   /* its name in quarantine/ */
    /* recorded */
    int attempts;
    int runs;
    int lost;
    int64_t created_us;  /* -1: none; so the other times */
    int64_t updated_us;
    int64_t started_us;
    int64_t finished_us;
    int64_t next_run_us;
    int64_t duration_ms;
    int exit_code;       /* -1: none */
    char *last_error;
    char worker[TOKEN_MAX + 1];
    int lost_in_row;     /* trailing lost runs of the history; one that was the job's
                            death ends the row: who revives it starts anew */
};

/* Read a document. ERR_BAD names member, value and what is accepted, e.g.
 *   timeout: "5 parsecs" is no duration; use 90, "90s", "5m"
 * A member that is null counts as absent, and so do recorded members that are
 * malformed (somebody's old copy).  Needed: command or argv (one of them), unless
 * it is a report.
 * *incomplete as in json_parse.  On failure *j needs no release. */
int job_parse(struct job *j, const char *text, size_t n, bool *incomplete, struct err *err);
void job_release(struct job *j);

/* Set one of the producer's members from a value as text (from a flag): the
 * document and the struct both.  What it excludes goes: command and argv, run_at
 * and delay, the three spellings of timeout.  Fails as job_parse does, with the
 * job unchanged. */
int job_set(struct job *j, const char *member, const char *raw_json, struct err *err);
/* Take one out.  Without memory the job cannot be printed any more (job_print). */
void job_unset(struct job *j, const char *member);

/* Make a dropped or enqueued document the queue's: recorded members of an old
 * copy go, id, priority, max_retries (from the settings where absent),
 * created_at, updated_at are written; delay becomes run_at = now + delay.
 * delay with run_at is refused by job_parse. keep_history: runs, lost, history
 * and created_at stay (a job put back by hand: runs are numbered for ever).
 * A report is refused.  On failure *j can only be released. */
int job_accept(struct job *j, const char *id, const struct settings *s, int64_t now_us,
               bool keep_history, struct err *err);

/* Make a document ready to be dropped for somebody else's job_accept: only what the
 * producer said and the id stays, and delay becomes run_at, so that it counts from
 * now.  A report is refused.  On failure *j can only be released. */
int job_hand_over(struct job *j, const char *id, int64_t now_us, struct err *err);

/* When the job is due: run_at if it is ahead of now, else now. */
int64_t job_due(const struct job *j, int64_t now_us);

/* How a run ended. */
enum outcome { OUTCOME_DONE, OUTCOME_FAILED, OUTCOME_LOST, OUTCOME_CANCELLED };
const char *outcome_name(enum outcome o);

struct run {
    enum outcome outcome;
    int attempt;           /* as in the name in processing/ */
    const char *worker;    /* its token */
    int64_t started_us;    /* the TIME of that name */
    int64_t finished_us;
    int64_t duration_ms;   /* monotonic */
    int exit_code;         /* -1: ended by a signal, or not known */
    int signal;            /* 0: none */
    bool timed_out;
    int64_t cpu_ms;        /* -1: not known */
    int64_t max_rss_kib;   /* -1: not known */
    int64_t output_cut;    /* bytes cut off by output_max */
    const char *error;     /* last_error, NULL when done; already escaped */
};

enum fate { FATE_DONE, FATE_RETRY, FATE_DEAD, FATE_AGAIN /* lost: due now */ };

/* What becomes of the job after this run (pure): done; failed with attempts <=
 * max_retries: retry; else dead; lost: again, unless it is the third in a row or
 * crash_is_death. */
enum fate job_fate(const struct job *j, const struct run *r);

/* Write the run into the document: runs, attempts, lost, times, exit_code,
 * signal, last_error, worker, next_run_at (next_run_us, -1 none) and one more
 * object in history (the last JOB_HISTORY_MAX are kept):
 *   {"run":3,"attempt":2,"outcome":"failed","fate":"retry","started_at":...,
 *    "finished_at":...,"duration_ms":...,"exit_code":3,"cpu_ms":...,
 *    "max_rss_kib":...,"error":"..."}   (members that are unknown are left out)
 * The struct follows.  For OUTCOME_LOST attempts is attempt - 1. -1: ENOMEM. */
int job_record(struct job *j, const struct run *r, enum fate fate, int64_t next_run_us);

/* Does the document already hold the result of the run that has this start,
 * attempt and worker?  Then *fate and *next_run_us say where it belongs. */
bool job_has_result(const struct job *j, int64_t started_us, int attempt, const char *worker,
                    enum fate *fate, int64_t *next_run_us);

/* An operator's word (retry, cancel of a waiting job ...): attempts, last_error
 * (NULL: removed), next_run_at (-1: removed), updated_at.  Without memory the job
 * cannot be printed any more (job_print). */
void job_amend(struct job *j, int attempts, const char *last_error, int64_t next_run_us,
               int64_t now_us);

/* A report about a file that is no job:
 *   {"id","quarantined","dropped_as","last_error","advice",...}
 * quarantined and dropped_as must be UTF-8, or the report will name other files. */
struct job_report {
    const char *id;
    const char *quarantined; /* its name in quarantine/ */
    const char *dropped_as;  /* where it was: "pending/a.json" */
    const char *reason;
    const char *advice;
};
int job_print_report(const struct job_report *r, int64_t now_us, struct buf *out);

int job_print(const struct job *j, struct buf *out); /* -1: ENOMEM */

/* The table as a JSON Schema (draft 2020-12) of what a producer may write: a
 * document that job_parse and job_accept take fits it, and no other, but for
 * what a schema cannot say (see queuectl-job(5), THE SCHEMA).  -1: ENOMEM */
int job_print_schema(struct buf *out);

/* One line for a table: the command, or argv quoted as a shell would want it. */
void job_describe(const struct job *j, struct buf *out);

/* "low", "high", "-5" -> number; false if neither word nor -100..100. */
bool job_priority_parse(const char *text, int *priority);

#endif
