/* Rules in text; see rule.h. One table names the words that take a number. */
#include "tests/chaos/proxy/rule.h"

#include <stdlib.h>
#include <string.h>

static bool number(const char *text, int64_t *value)
{
    char *end;
    *value = strtoll(text, &end, 10);
    return *text != '\0' && *end == '\0' && *value >= 0;
}

static bool take_number(struct rule *rule, const char *name, int64_t value)
{
    struct {
        const char *name;
        int64_t *at, value;
    } const table[] = {
        {"delay_up", &rule->delay_us[UP], value * 1000},
        {"delay_down", &rule->delay_us[DOWN], value * 1000},
        {"rate_up", &rule->rate[UP], value},
        {"rate_down", &rule->rate[DOWN], value},
        {"cut_up", &rule->cut[UP], value + 1},
        {"cut_down", &rule->cut[DOWN], value + 1},
        {"message", &rule->message, value + 1},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].name, name) == 0) {
            *table[i].at = table[i].value;
            return true;
        }
    return false;
}

static bool take_pair(struct rule *rule, const char *name, const char *text)
{
    int64_t value;
    if (strcmp(name, "after") == 0 && strlen(text) < sizeof rule->after) {
        strcpy(rule->after, text);
        return true;
    }
    if (strcmp(text, "hold") == 0 && strncmp(name, "delay_", 6) == 0) {
        rule->delay_us[strcmp(name, "delay_up") == 0 ? UP : DOWN] = HOLD;
        return true;
    }
    return number(text, &value) && take_number(rule, name, value);
}

static bool take_word(struct rule *rule, char *word)
{
    char *value = strchr(word, '=');
    if (value != NULL) {
        *value = '\0';
        return take_pair(rule, word, value + 1);
    }
    if (strcmp(word, "swallow") == 0)
        rule->swallow = true;
    else if (strcmp(word, "once") == 0)
        rule->once = true;
    else
        return strcmp(word, "pass") == 0;
    return true;
}

bool rule_parse(char *words, struct rule *rule)
{
    char *rest = words, *word;
    memset(rule, 0, sizeof *rule);
    while ((word = strsep(&rest, " ")) != NULL)
        if (*word != '\0' && !take_word(rule, word))
            return false;
    return true;
}
