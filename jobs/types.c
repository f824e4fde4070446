/*
 * The table of types and what is found in it. A dozen rows: a linear search over lengths and bytes
 * is faster than any hash, and there is nothing to set up. Thread: any, all of it is constant.
 */
#include <string.h>

#include "base/text.h"
#include "jobs/job.h"

#define SM_JOB_TYPE(symbol) extern const struct sm_type sm_type_##symbol;
#include "jobs/types.def"
#undef SM_JOB_TYPE

static const struct sm_type *const types[] = {
#define SM_JOB_TYPE(symbol) &sm_type_##symbol,
#include "jobs/types.def"
#undef SM_JOB_TYPE
};

#define TYPES (sizeof types / sizeof types[0])

const struct sm_type *sm_type_find(const char *name, size_t size)
{
    for (size_t i = 0; i < TYPES; i++) {
        const char *have = types[i]->name;
        if (strncmp(have, name, size) == 0 && have[size] == '\0')
            return types[i];
    }
    return NULL;
}

_Static_assert(TYPES <= 64, "sm_type_number promises so");

size_t sm_type_number(const struct sm_type *type)
{
    size_t i = 0;
    while (types[i] != type)
        i++;
    return i;
}

const struct sm_type *sm_type_at(size_t i)
{
    return i < TYPES ? types[i] : NULL;
}

const char *sm_type_near(const char *name, size_t size)
{
    const char *names[TYPES];
    for (size_t i = 0; i < TYPES; i++)
        names[i] = types[i]->name;
    return sm_text_near(name, size, names, TYPES);
}

static size_t lower(size_t of_type, size_t of_worker)
{
    return of_type != 0 && of_type < of_worker ? of_type : of_worker;
}

struct sm_limits sm_limits_of(const struct sm_type *type, const struct sm_limits *worker)
{
    const struct sm_limits *own = &type->limits;
    struct sm_limits limits = *worker;
    limits.input = lower(own->input, worker->input);
    limits.output = lower(own->output, worker->output);
    limits.memory = lower(own->memory, worker->memory);
    if (own->timeout_ms != 0 && own->timeout_ms < worker->timeout_ms)
        limits.timeout_ms = own->timeout_ms;
    return limits;
}
