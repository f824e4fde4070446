/* Scripts: the texts of queue/scripts/, called by digest, sent anew where Redis has forgotten them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "queue/redis_conn.h"

static const struct script {
    const char *name, *digest, *text; /* the digest as Redis makes it: SHA-1, in hex */
} scripts[] = {
#include "scripts.inc"
};

static const struct script *script_of(const char *name)
{
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
        if (strcmp(scripts[i].name, name) == 0)
            return &scripts[i];
    sm_assert_failed("a script by that name", __FILE__, __LINE__);
}

int sm_script_call(struct sm_conn *conn, const char *name, int keys, int argc, const char **argv,
                   const size_t *sizes, redisReply **reply, struct sm_err *err)
{
    const struct script *script = script_of(name);
    char count[12];
    const char **words = calloc((size_t)argc + 3, sizeof *words);
    size_t *word_sizes = calloc((size_t)argc + 3, sizeof *word_sizes);
    int rc = SM_E_NO_MEMORY;
    if (words != NULL && word_sizes != NULL) {
        words[0] = "EVALSHA", words[1] = script->digest, words[2] = count;
        word_sizes[0] = 7, word_sizes[1] = 40;
        word_sizes[2] = (size_t)snprintf(count, sizeof count, "%d", keys);
        memcpy(words + 3, argv, (size_t)argc * sizeof *argv);
        memcpy(word_sizes + 3, sizes, (size_t)argc * sizeof *sizes);
        rc = sm_conn_call(conn, argc + 3, words, word_sizes, reply, err);
        if (rc == SM_E_SERVER && strstr(err->text, "NOSCRIPT") != NULL) {
            words[0] = "EVAL", words[1] = script->text;
            word_sizes[0] = 4, word_sizes[1] = strlen(script->text);
            rc = sm_conn_call(conn, argc + 3, words, word_sizes, reply, err);
        }
    }
    free(words);
    free(word_sizes);
    return rc;
}
