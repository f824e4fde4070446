/*
 * Dates and timestamps: the forms of RFC 3339 and the common ISO 8601 ones, checked against the
 * proleptic Gregorian calendar, years 0001 to 9999. A timestamp with an offset is turned into UTC,
 * so that equal moments get equal text; one without stays as it is, since no zone may be guessed.
 * Leap seconds (:60) are refused: neither PostgreSQL nor a back end's Date keeps them. Thread: any.
 */
#include <string.h>

#include "jobs/rows/cell.h"

static bool number(const char **p, const char *end, int digits, int *value)
{
    int v = 0;
    if (end - *p < digits)
        return false;
    for (int i = 0; i < digits; i++) {
        char c = (*p)[i];
        if (c < '0' || c > '9')
            return false;
        v = v * 10 + (c - '0');
    }
    *p += digits;
    *value = v;
    return true;
}

static bool take(const char **p, const char *end, char c)
{
    bool is = *p < end && **p == c;
    *p += is;
    return is;
}

static void put(char *out, int value, int digits)
{
    for (int i = digits - 1; i >= 0; i--, value /= 10)
        out[i] = (char)('0' + value % 10);
}

static int days_of(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

struct moment {
    int year, month, day, hour, minute, second;
};

static bool read_date(const char **p, const char *end, struct moment *m)
{
    return number(p, end, 4, &m->year) && take(p, end, '-') && number(p, end, 2, &m->month) &&
           take(p, end, '-') && number(p, end, 2, &m->day);
}

static bool date_exists(const struct moment *m)
{
    return m->year >= 1 && m->month >= 1 && m->month <= 12 && m->day >= 1 &&
           m->day <= days_of(m->year, m->month);
}

bool sm_cell_date(struct sm_cell *cell, struct sm_text_view text, struct sm_cell_fault *fault)
{
    struct moment m;
    const char *p = text.p, *end = p + text.n;
    if (!read_date(&p, end, &m) || p != end)
        return sm_cell_wrong(fault, "type", "a date as YYYY-MM-DD");
    if (!date_exists(&m))
        return sm_cell_wrong(fault, "range", "a date that exists");
    cell->text = text;
    return true;
}

/* "+02:00", "+0200", "+02", "Z" -> minutes east. */
static bool read_zone(const char **p, const char *end, int *minutes)
{
    int hours = 0, rest = 0;
    *minutes = 0;
    if (take(p, end, 'Z') || take(p, end, 'z'))
        return true;
    bool minus = take(p, end, '-');
    if (!minus && !take(p, end, '+'))
        return false;
    if (!number(p, end, 2, &hours))
        return false;
    bool colon = take(p, end, ':');
    if ((colon || *p < end) && !number(p, end, 2, &rest))
        return false;
    *minutes = (hours * 60 + rest) * (minus ? -1 : 1);
    return hours <= 23 && rest <= 59;
}

static void step_day(struct moment *m, int by)
{
    m->day += by;
    if (m->day < 1) {
        m->month--;
        if (m->month < 1) {
            m->month = 12;
            m->year--;
        }
        m->day = days_of(m->year, m->month);
    } else if (m->day > days_of(m->year, m->month)) {
        m->day = 1;
        m->month++;
        if (m->month > 12) {
            m->month = 1;
            m->year++;
        }
    }
}

/* A zone is less than a day, so it moves the date by at most one. */
static void to_utc(struct moment *m, int zone)
{
    int minutes = m->hour * 60 + m->minute - zone;
    if (minutes < 0)
        step_day(m, -1);
    else if (minutes >= 24 * 60)
        step_day(m, 1);
    minutes = (minutes + 24 * 60) % (24 * 60);
    m->hour = minutes / 60;
    m->minute = minutes % 60;
}

static size_t format(const struct moment *m, const char *fraction, size_t digits, bool utc,
                     char *out)
{
    memcpy(out, "0000-00-00T00:00:00", 19);
    put(out, m->year, 4);
    put(out + 5, m->month, 2);
    put(out + 8, m->day, 2);
    put(out + 11, m->hour, 2);
    put(out + 14, m->minute, 2);
    put(out + 17, m->second, 2);
    size_t n = 19;
    if (digits > 0) {
        out[n++] = '.';
        memcpy(out + n, fraction, digits);
        n += digits;
    }
    if (utc)
        out[n++] = 'Z';
    return n;
}

/* "14:30", "14:30:05", "14:30:05.123456789"; the fraction's digits stay where they are. */
static bool read_time(const char **p, const char *end, struct moment *m, const char **fraction,
                      size_t *digits)
{
    m->second = 0;
    *digits = 0;
    if (!number(p, end, 2, &m->hour) || !take(p, end, ':') || !number(p, end, 2, &m->minute))
        return false;
    if (!take(p, end, ':'))
        return true;
    if (!number(p, end, 2, &m->second))
        return false;
    if (!take(p, end, '.') && !take(p, end, ','))
        return true;
    *fraction = *p;
    while (*p < end && **p >= '0' && **p <= '9')
        (*p)++;
    *digits = (size_t)(*p - *fraction);
    return *digits >= 1 && *digits <= 9;
}

bool sm_cell_timestamp(struct sm_cell *cell, struct sm_text_view text, struct sm_cell_fault *fault)
{
    struct moment m;
    const char *p = text.p, *end = p + text.n, *fraction = p;
    size_t digits = 0;
    int zone = 0;
    bool fits = read_date(&p, end, &m) &&
                (take(&p, end, 'T') || take(&p, end, 't') || take(&p, end, ' ')) &&
                read_time(&p, end, &m, &fraction, &digits);
    if (fits && end - p > 1)
        take(&p, end, ' '); /* PostgreSQL and others put a space before the offset */
    bool zoned = fits && p < end;
    if (!fits || (zoned && !read_zone(&p, end, &zone)) || p != end)
        return sm_cell_wrong(fault, "type",
                             "a timestamp as YYYY-MM-DDTHH:MM:SS[.fraction][Z|+HH:MM]");
    if (!date_exists(&m) || m.hour > 23 || m.minute > 59 || m.second > 59)
        return sm_cell_wrong(fault, "range", "a moment that exists");
    to_utc(&m, zone);
    if (m.year < 1 || m.year > 9999)
        return sm_cell_wrong(fault, "range", "a year from 0001 to 9999 in UTC");
    size_t n = format(&m, fraction, digits, zoned, cell->own);
    cell->text = (struct sm_text_view){cell->own, n};
    return true;
}
