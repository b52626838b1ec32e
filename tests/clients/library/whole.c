/* The client's text in front of a program's own. */
#define QC_NO_MAIN
#include "queuectl_client.c"

int main(void)
{
    qc_close(&(struct qc_ticket){.spool = -1, .file = -1, .watch = -1});
    return 0;
}
