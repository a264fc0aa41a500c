/* Worker reports: see report.h. */
#include "jobs/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum od_status write_line(int fd, struct od_buf *line)
{
    od_buf_char(line, '\n');
    enum od_status s = od_buf_status(line);
    size_t put = 0;
    while (s == OD_OK && put < line->len) {
        ssize_t n = write(fd, line->ptr + put, line->len - put);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            s = OD_STOPPED;
        else
            put += (size_t)n;
    }
    od_buf_done(line);
    return s;
}

enum od_status od_report_progress(int fd, double fraction, const char *stage)
{
    struct od_buf line;
    od_buf_init(&line, OD_REPORT_LINE_MAX);
    if (!(fraction >= 0)) /* 0 of 0: JSON has no NaN, and a line that is no JSON ends the job */
        fraction = 0;
    od_buf_printf(&line, "{\"progress\":%.4f,\"stage\":", fraction);
    od_buf_json(&line, od_str_c(stage));
    od_buf_char(&line, '}');
    return write_line(fd, &line);
}

enum od_status od_report_result(int fd, struct od_str json)
{
    struct od_buf line;
    od_buf_init(&line, OD_REPORT_LINE_MAX);
    od_buf_puts(&line, "{\"result\":");
    od_buf_str(&line, json);
    od_buf_char(&line, '}');
    return write_line(fd, &line);
}

enum od_status od_report_error(int fd, const struct od_error *err)
{
    struct od_buf line;
    od_buf_init(&line, OD_REPORT_LINE_MAX);
    od_buf_printf(&line,
                  "{\"error\":{\"code\":\"%s\",\"message\":", od_status_info(err->code)->name);
    od_buf_json(&line, od_str_c(err->message));
    od_buf_puts(&line, "}}");
    return write_line(fd, &line);
}

static enum od_status code_from_name(struct od_str name)
{
    for (int i = 1; i < OD_STATUS_COUNT; i++)
        if (od_str_eq_c(name, od_status_info((enum od_status)i)->name))
            return (enum od_status)i;
    return OD_INTERNAL;
}

enum od_status od_report_parse(struct od_arena *arena, struct od_str line, struct od_report *out,
                               struct od_error *err)
{
    struct od_json *root = OD_NEW(arena, struct od_json);
    if (!root)
        return od_fail(err, OD_NO_MEMORY, NULL);
    if (od_json_parse(arena, line, root, err) != OD_OK)
        return od_fail(err, OD_CORRUPT, "The worker reported nonsense: %.*s",
                       OD_STR_ARG(od_str_sub(line, 0, 200)));
    const struct od_json *result = od_json_get(root, OD_STR("result"));
    const struct od_json *error = od_json_get(root, OD_STR("error"));
    *out = (struct od_report){.kind = OD_REPORT_PROGRESS};
    if (result && result->kind == OD_JSON_OBJECT) {
        out->kind = OD_REPORT_RESULT;
        out->result = result;
    } else if (error && error->kind == OD_JSON_OBJECT) {
        out->kind = OD_REPORT_ERROR;
        struct od_str text =
            od_json_get_str(error, "message", OD_STR("The worker gave no reason."));
        od_fail(&out->error, code_from_name(od_json_get_str(error, "code", OD_STR(""))), "%.*s",
                OD_STR_ARG(text));
    } else if (od_json_get(root, OD_STR("progress"))) {
        out->fraction = od_json_get_double(root, "progress", 0);
        out->stage = od_json_get_str(root, "stage", OD_STR(""));
    } else {
        return od_fail(err, OD_CORRUPT, "The worker reported nonsense: %.*s",
                       OD_STR_ARG(od_str_sub(line, 0, 200)));
    }
    return OD_OK;
}
