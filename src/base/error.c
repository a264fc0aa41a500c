/* Status codes and errors: see error.h. */
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct od_status_info infos[OD_STATUS_COUNT] = {
#define X(code, text, control, rest, aws) [OD_##code] = {#code, text, aws, control, rest},
#include "base/errors.def"
#undef X
};

const struct od_status_info *od_status_info(enum od_status code)
{
    if ((unsigned)code >= OD_STATUS_COUNT)
        code = OD_INTERNAL;
    return &infos[code];
}

/* snprintf may cut inside a character: drop the torn one. */
static void trim_torn_character(char *text)
{
    size_t len = strlen(text);
    size_t start = len;
    while (start > 0 && len - start < 4 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t need = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (len - (start - 1) < need)
        text[start - 1] = '\0';
}

static void fill(struct od_error *err, enum od_status code)
{
    memset(err, 0, sizeof *err);
    err->code = code;
}

enum od_status od_fail(struct od_error *err, enum od_status code, const char *fmt, ...)
{
    if (!err)
        return code;
    fill(err, code);
    if (!fmt) {
        snprintf(err->message, sizeof err->message, "%s", od_status_info(code)->text);
        return code;
    }
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->message, sizeof err->message, fmt, ap);
    va_end(ap);
    if (n >= (int)sizeof err->message)
        trim_torn_character(err->message);
    return code;
}

enum od_status od_fail_errno(struct od_error *err, const char *fmt, ...)
{
    int saved = errno;
    enum od_status code = saved == ENOMEM ? OD_NO_MEMORY : OD_IO;
    if (!err)
        return code;
    fill(err, code);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->message, sizeof err->message, fmt, ap);
    va_end(ap);
    size_t used = strlen(err->message);
    char text[128];
    snprintf(err->message + used, sizeof err->message - used, ": %s",
             strerror_r(saved, text, sizeof text));
    return code;
}

enum od_status od_error_copy(struct od_error *to, const struct od_error *from)
{
    if (to && from)
        *to = *from;
    return from ? from->code : OD_OK;
}
