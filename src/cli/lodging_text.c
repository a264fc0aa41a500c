/* Ids and numbers of the lodging files, without printf: some hundred million of them are written.
 */
#include "cli/lodging_world.h"

#include <string.h>

char *od_lodging_put_number(char *at, uint64_t value, unsigned width)
{
    char digits[20];
    unsigned count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    for (; width > count; width--)
        *at++ = '0';
    while (count)
        *at++ = digits[--count];
    return at;
}

char *od_lodging_put_user(const struct od_lodging_world *world, char *at, uint64_t user)
{
    *at++ = 'U';
    return od_lodging_put_number(at, user + 1, world->user_width);
}

char *od_lodging_put_item(const struct od_lodging_world *world, char *at, int region, uint32_t item)
{
    const char *prefix = od_lodging_regions[region].prefix;
    size_t len = strlen(prefix);
    memcpy(at, prefix, len);
    at[len] = '-';
    return od_lodging_put_number(at + len + 1, world->details[item].number, 5);
}
