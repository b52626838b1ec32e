/* cmd_dlq.c: the dead, and what becomes of them. Their list is in dlq_list.c. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/dlq.h"
#include "cli/each.h"
#include "cli/open.h"
#include "cli/options.h"
#include "cli/say.h"
#include "cli/show.h"
#include "cli/term.h"
#include "queue/verbs.h"

static bool is_filtered(const struct call *c)
{
    return option_on(c, "error") || option_on(c, "older-than");
}

/* --- show, retry, purge --------------------------------------------------- */

static int check_dead(struct queue *q, const char *id, struct err *err)
{
    enum dir state;
    char file[FILE_NAME_MAX + 1];
    int found = find_place(q, id, &state, file, err);
    if (found < 0)
        return -1;
    if (found == 0)
        return err_set(err, ERR_UNKNOWN, "%s: no such job", id);
    return state == DIR_DEAD ? 0 : err_set(err, ERR_STATE, "%s is not dead: it is %s", id,
                                           dir_name(state));
}

static int retry_dead(struct queue *q, const char *id, struct err *err)
{
    return check_dead(q, id, err) == 0 ? verb_retry(q, id, err) : -1;
}

static int purge_dead(struct queue *q, const char *id, struct err *err)
{
    return check_dead(q, id, err) == 0 ? verb_delete(q, id, err) : -1;
}

static int run_show(struct call *c)
{
    struct queue q;
    struct found f;
    struct err err = ERR_INIT;
    int code = open_to_find(c, &q);
    if (code != EXIT_DONE)
        return code;
    if (check_dead(&q, c->args[0], &err) != 0 || find_job(&q, c->args[0], &f, &err) != 0) {
        code = say_error(&err);
    } else {
        code = show_job(c, &q, &f);
        found_release(&f);
    }
    queue_close(&q);
    return code;
}

/* Those named, or all that the filter lets through. */
static int choose(const struct call *c, struct queue *q, const struct list_filter *filter,
                  struct id_list *ids)
{
    if (c->arg_count == 0)
        return id_list_fill(ids, q, filter);
    for (size_t i = 0; i < c->arg_count; i++)
        if (id_list_add(ids, c->args[i]) != 0)
            return say_no_memory();
    return EXIT_DONE;
}

static int do_to_dead(const struct call *c, const struct list_filter *filter, each_verb *verb,
                      const char *done_word, bool (*confirm)(const struct call *c, size_t n))
{
    struct queue q;
    struct id_list ids = {0};
    int code = open_to_write(c, &q);
    if (code != EXIT_DONE)
        return code;
    code = choose(c, &q, filter, &ids);
    if (code == EXIT_DONE && confirm && ids.count > 0 && !confirm(c, ids.count))
        code = EXIT_FAILED;
    if (code == EXIT_DONE) {
        bool named = c->arg_count > 0;
        char count[EACH_COUNT_LEN];
        size_t failed = each_id(&q, ids.id, ids.count, verb, named ? done_word : NULL);
        if (!named)
            printf("%s %s\n", done_word, each_count(ids.count - failed, "job", count));
        code = failed > 0 ? EXIT_FAILED : EXIT_DONE;
    }
    id_list_release(&ids);
    queue_close(&q);
    return code;
}

static int check_choice(const struct call *c, bool all)
{
    if (c->arg_count > 0 && (all || is_filtered(c)))
        say("dlq %s: give IDs, or say which by options, not both", c->cmd->name);
    else if (c->arg_count == 0 && !all && !is_filtered(c))
        say("dlq %s: which? give IDs, --error, --older-than or --all", c->cmd->name);
    else
        return 0;
    return -1;
}

static int run_retry(struct call *c)
{
    struct list_filter filter;
    if (check_choice(c, option_on(c, "all")) != 0 || dlq_read_filter(c, &filter) != 0)
        return EXIT_USAGE;
    return do_to_dead(c, &filter, retry_dead, "retried", NULL);
}

static bool confirm_purge(const struct call *c, size_t n)
{
    char question[64], count[EACH_COUNT_LEN];
    snprintf(question, sizeof question, "Delete %s with all logs?",
             each_count(n, "dead job", count));
    return term_confirm(option_on(c, "yes"), question);
}

static int run_purge(struct call *c)
{
    struct list_filter filter;
    bool all = option_on(c, "all") || (c->arg_count == 0 && !is_filtered(c));
    if (check_choice(c, all) != 0 || dlq_read_filter(c, &filter) != 0)
        return EXIT_USAGE;
    return do_to_dead(c, &filter, purge_dead, "purged", confirm_purge);
}

/* --- the rows ------------------------------------------------------------- */

static const struct option list_options[] = {
    DLQ_FILTER_OPTIONS,
    {0, "by-error", NULL, "count the reasons"},
    {0, "json", NULL, "an array of documents; with --by-error of {count, reason}"},
    {0, NULL, NULL, NULL},
};

static const struct option show_options[] = {
    {0, "json", NULL, "the document"},
    {0, NULL, NULL, NULL},
};

static const struct option retry_options[] = {
    DLQ_FILTER_OPTIONS,
    {0, "all", NULL, "all dead jobs"},
    {0, NULL, NULL, NULL},
};

static const struct option purge_options[] = {
    DLQ_FILTER_OPTIONS,
    {0, "all", NULL, "all dead jobs (so it is without any of these)"},
    {'y', "yes", NULL, "do not ask"},
    {0, NULL, NULL, NULL},
};

static const struct command subs[] = {
    {
        .name = "list",
        .summary = "the dead jobs and the reason of each",
        .examples = "queuectl dlq list\nqueuectl dlq list --by-error\n",
        .options = list_options,
        .exec = dlq_run_list,
    },
    {
        .name = "show",
        .args = "ID",
        .min_args = 1,
        .max_args = 1,
        .summary = "everything about a dead job",
        .examples = "queuectl dlq show report-42\n",
        .options = show_options,
        .exec = run_show,
    },
    {
        .name = "retry",
        .args = "[ID...]",
        .max_args = -1,
        .summary = "run dead jobs anew, with attempts 0",
        .details = "Of a report about a file in quarantine: put the (mended) file back.",
        .examples = "queuectl dlq retry report-42\n"
                    "queuectl dlq retry --error 'timed out' --older-than 1h\n"
                    "queuectl dlq retry --all\n",
        .options = retry_options,
        .exec = run_retry,
    },
    {
        .name = "purge",
        .args = "[ID...]",
        .max_args = -1,
        .summary = "delete dead jobs: those named, those chosen, or all",
        .examples = "queuectl dlq purge --older-than 30d --yes\n",
        .options = purge_options,
        .exec = run_purge,
    },
    {0},
};

const struct command cmd_dlq = {
    .name = "dlq",
    .summary = "the dead jobs: list, show, retry, purge",
    .subs = subs,
};
