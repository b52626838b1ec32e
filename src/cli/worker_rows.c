/* worker_rows.c: see worker_rows.h. */
#include "cli/worker_rows.h"

#include <string.h>

#include "cli/cli.h"
#include "cli/output.h"
#include "cli/say.h"
#include "cli/table.h"

/* The pid of a worker's pool; 0: the pool is dead. */
static int64_t pool_of(const struct workers_seen *seen, const struct live_record *worker)
{
    for (size_t i = 0; i < seen->count; i++)
        if (seen->record[i].role == LIVE_POOL && strcmp(seen->record[i].token, worker->pool) == 0)
            return seen->record[i].pid;
    return 0;
}

/* When its run began; of an idle one, when it started itself. */
static int64_t since(const struct live_record *worker)
{
    struct name n;
    return worker->run[0] && name_parse(DIR_PROCESSING, worker->run, &n) ? n.time_us
                                                                         : worker->since_us;
}

void worker_row_json(const struct workers_seen *seen, const struct live_record *w, struct buf *out)
{
    char id[ID_MAX + 1];
    int64_t pool = pool_of(seen, w);
    workers_job(w, id);
    buf_addf(out, "{\"pid\": %lld, ", (long long)w->pid);
    if (pool)
        buf_addf(out, "\"pool\": %lld, ", (long long)pool);
    else
        buf_adds(out, "\"pool\": null, ");
    output_string(out, "job", id[0] ? id : NULL);
    buf_adds(out, ", ");
    output_time(out, "since", since(w));
    buf_addc(out, '}');
}

int worker_rows_print(const struct workers_seen *seen, bool no_color)
{
    static const struct table_column columns[] = {
        {"PID", true, false}, {"POOL", true, false}, {"JOB", false, true}, {"SINCE", false, false}};
    struct table *t = table_new(columns, 4, no_color);
    for (size_t i = 0; t && i < seen->count; i++) {
        const struct live_record *w = &seen->record[i];
        char id[ID_MAX + 1], began[TERM_TIME_LEN];
        if (w->role != LIVE_WORKER)
            continue;
        workers_job(w, id);
        term_time(since(w), began);
        table_addf(t, "%lld", (long long)w->pid);
        if (pool_of(seen, w))
            table_addf(t, "%lld", (long long)pool_of(seen, w));
        else
            table_add(t, "gone");
        table_add(t, id[0] ? id : "idle");
        table_add(t, began);
    }
    return table_end(t) == 0 ? EXIT_DONE : say_no_memory();
}
