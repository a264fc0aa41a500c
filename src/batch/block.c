/* The size of a block bounds the memory: about BLOCK_RESULTS ids at once (a few MiB of output; 500
 * results of the longest ids would be 100 MiB), but never so few lines that a core has nothing to
 * do. A ranking gives back what it is given, so without numResults each of its lines counts as the
 * longest list. Since the answers repeat the lines, text ends a block too. A segment may be
 * millions of users: then a block is one line a core. */
#include "batch/block.h"

#include <string.h>

#include "base/hash.h"
#include "base/limits.h"

#define BLOCK_RESULTS 200000u
#define BLOCK_LINES   8192u
#define PART_LINES    16u

struct od_batch_size od_batch_size(const struct od_batch_job *job, bool ranking, unsigned threads)
{
    size_t results = job->results > 0 ? (size_t)job->results
                     : ranking        ? OD_MAX_RESULTS
                                      : OD_DEFAULT_RESULTS;
    size_t part_lines = job->segments ? 1 : PART_LINES;
    size_t lines = BLOCK_RESULTS / results, least = threads * part_lines;
    lines = lines > BLOCK_LINES ? BLOCK_LINES : lines < least ? least : lines;
    size_t parts = (lines + part_lines - 1) / part_lines;
    return (struct od_batch_size){lines, part_lines, parts, OD_BATCH_KEPT_BYTES / parts};
}

static bool next_line(struct od_batch_reader *r, struct od_batch_text *out)
{
    while (r->rest.len) {
        const char *end = memchr(r->rest.ptr, '\n', r->rest.len);
        size_t len = end ? (size_t)(end - r->rest.ptr) : r->rest.len;
        struct od_str line = od_str_trim((struct od_str){r->rest.ptr, len});
        size_t step = end ? len + 1 : len;
        r->rest = (struct od_str){r->rest.ptr + step, r->rest.len - step};
        r->number++;
        if (!line.len)
            continue;
        *out = (struct od_batch_text){line, r->number, od_hash_mix(r->file_seed, r->number)};
        return true;
    }
    return false;
}

size_t od_batch_read(struct od_batch_reader *reader, struct od_batch_text *out, size_t most)
{
    size_t count = 0, bytes = 0;
    while (count < most && bytes < OD_BATCH_BLOCK_TEXT_BYTES && next_line(reader, &out[count]))
        bytes += out[count++].text.len;
    return count;
}
