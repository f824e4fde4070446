/* Scripts: the texts of queue/scripts/, called by digest, sent anew where Redis has forgotten them.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "queue/redis_conn.h"

static const struct {
    const char *name, *text;
} scripts[] = {
#include "scripts.inc"
};

static const char *text_of(const char *name)
{
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
        if (strcmp(scripts[i].name, name) == 0)
            return scripts[i].text;
    sm_assert_failed("a script by that name", __FILE__, __LINE__);
}

static void digest(const char *text, char hex[41])
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    SM_ASSERT(EVP_Digest(text, strlen(text), hash, NULL, EVP_sha1(), NULL) == 1);
    for (int i = 0; i < 20; i++)
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
}

int sm_script_call(struct sm_conn *conn, const char *name, int keys, int argc, const char **argv,
                   const size_t *sizes, redisReply **reply, struct sm_err *err)
{
    const char *text = text_of(name);
    char hex[41], count[12];
    const char **words = calloc((size_t)argc + 3, sizeof *words);
    size_t *word_sizes = calloc((size_t)argc + 3, sizeof *word_sizes);
    int rc = SM_E_NO_MEMORY;
    if (words != NULL && word_sizes != NULL) {
        digest(text, hex);
        words[0] = "EVALSHA", words[1] = hex, words[2] = count;
        word_sizes[0] = 7, word_sizes[1] = 40;
        word_sizes[2] = (size_t)snprintf(count, sizeof count, "%d", keys);
        memcpy(words + 3, argv, (size_t)argc * sizeof *argv);
        memcpy(word_sizes + 3, sizes, (size_t)argc * sizeof *sizes);
        rc = sm_conn_call(conn, argc + 3, words, word_sizes, reply, err);
        if (rc == SM_E_SERVER && strstr(err->text, "NOSCRIPT") != NULL) {
            words[0] = "EVAL", words[1] = text;
            word_sizes[0] = 4, word_sizes[1] = strlen(text);
            rc = sm_conn_call(conn, argc + 3, words, word_sizes, reply, err);
        }
    }
    free(words);
    free(word_sizes);
    return rc;
}
