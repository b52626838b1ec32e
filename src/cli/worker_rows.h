/* worker_rows.h: workers as `status` and `worker list` show them. */
#ifndef CLI_WORKER_ROWS_H
#define CLI_WORKER_ROWS_H

#include "base/buf.h"
#include "queue/workers.h"

/* {"pid","pool","job","since"} of one worker. */
void worker_row_json(const struct workers_seen *seen, const struct live_record *w, struct buf *out);

/* The table of all; EXIT_... */
int worker_rows_print(const struct workers_seen *seen, bool no_color);

#endif
