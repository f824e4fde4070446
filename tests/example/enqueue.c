/*
 * A producer, as a program outside the tree would be written: enqueues one job and then two more,
 * and prints their ids. Built by tests/example/run against the installed library.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stampmill/producer.h>

static int fail(const char *what, const struct sm_err *err)
{
    fprintf(stderr, "%s: %s (%s)\n", what, err->text, sm_error_name(err->code));
    return EXIT_FAILURE;
}

static void print_id(const struct sm_id *id)
{
    char text[SM_ID_TEXT];
    sm_id_format(id, text);
    puts(text);
}

int main(int argc, char **argv)
{
    static const char csv[] = "name,age\nada,36\nalan,41\n";
    const struct sm_tag tags[] = {{"source", "example"}};
    const struct sm_job_spec parse = {.type = "parse.csv",
                                      .args_json = "{\"header\":true}",
                                      .input = csv,
                                      .input_size = sizeof csv - 1,
                                      .tags = tags,
                                      .tags_n = 1};
    const struct sm_job_spec more[] = {
        {.type = "transform.digest", .input = "hello", .input_size = 5},
        {.type = "debug.noop", .in_ms = 60000},
    };
    struct sm_err err;
    struct sm_id id, ids[2];
    size_t enqueued;

    struct sm_client *client = sm_client_open(argc > 1 ? argv[1] : NULL, &err);
    if (client == NULL)
        return fail("connecting", &err);
    if (sm_enqueue(client, &parse, &id, &err) != 0)
        return fail("enqueuing", &err);
    print_id(&id);
    if (sm_enqueue_many(client, more, 2, ids, &enqueued, &err) != 0)
        return fail("enqueuing two more", &err);
    print_id(&ids[0]);
    print_id(&ids[1]);
    sm_client_close(client);
    return EXIT_SUCCESS;
}
