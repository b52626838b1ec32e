/* request.h: the files in control/, by which anybody who may write there asks
 * pools and workers for something.
 *
 *   pause            nothing is claimed as long as it is there
 *   stop.TOKEN       that pool ends when its jobs have ended
 *   stop-now.TOKEN   that pool ends its jobs and puts them back
 *   cancel.RUN       that run (its name in processing/) is ended; void for any other
 */
#ifndef QUEUE_REQUEST_H
#define QUEUE_REQUEST_H

#include "queue/queue.h"

enum request { REQUEST_PAUSE, REQUEST_STOP, REQUEST_STOP_NOW, REQUEST_CANCEL };

/* of: the token or the run; "" for pause. */
int request_make(struct queue *q, enum request what, const char *of, struct err *err);
bool request_is_there(struct queue *q, enum request what, const char *of);
bool request_drop(struct queue *q, enum request what, const char *of); /* was it there? */

/* Is `file` (an entry of control/) a request of this kind?  Then *of points at
 * what it is about, inside file. */
bool request_parse(const char *file, enum request *what, const char **of);

#endif
