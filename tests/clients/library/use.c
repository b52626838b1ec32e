/* The client's declarations alone; its code is a file of its own. */
#include <stdlib.h>
#define QC_HEADER
#include "queuectl_client.c"

int main(int argc, char **argv)
{
    struct qc_ticket t;
    char *document = NULL;
    int refused = argc == 3 ? qc_enqueue(&t, argv[2], "taken", "{}") : QC_USAGE;
    qc_close(&t);
    int r = qc_enqueue(&t, argv[1], "library", "{\"command\":\"true\"}");
    if (r == QC_OK)
        r = qc_wait(&t, -1, &document);
    qc_close(&t);
    free(document);
    return refused != QC_REFUSED || r != QC_OK;
}
