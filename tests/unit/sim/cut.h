/* The moment the power fails: see sim/disk.h. */
#ifndef OD_TEST_SIM_CUT_H
#define OD_TEST_SIM_CUT_H

#include "sim/disk.h"

/* What happens to operations that no sync followed. */
enum sim_style {
    SIM_LOSES_ALL,  /* all dropped */
    SIM_KEEPS_ALL,  /* as after kill -9 */
    SIM_KEEPS_HEAD, /* in order, up to some point, which is torn */
    SIM_CHAOS,      /* each by itself, in any order */
    SIM_STYLES
};

struct sim_content {
    uint8_t *bytes;
    size_t len, cap;
};

struct sim_waiting {
    size_t *ops, count, cap;
};

struct sim_cutting {
    struct od_random rng;
    enum sim_style style;
    struct sim_content *files;   /* by inode */
    struct sim_waiting *waiting; /* by inode: operations since its last sync */
    struct sim_entry *entries;   /* names on the disk */
    size_t entry_count, entry_cap;
};

static void sim_put(struct sim_content *c, const uint8_t *bytes, size_t len, uint64_t at)
{
    size_t end = (size_t)at + len;
    if (end > c->cap) {
        c->cap = end * 2;
        c->bytes = realloc(c->bytes, c->cap);
        assert(c->bytes);
    }
    if (end > c->len) {
        memset(c->bytes + c->len, 0, end - c->len);
        c->len = end;
    }
    if (len)
        memcpy(c->bytes + at, bytes, len);
}

static void sim_apply(struct sim_cutting *cut, const struct sim_op *op)
{
    struct sim_content *c = &cut->files[op->inode];
    if (op->kind == SIM_WRITE) {
        sim_put(c, op->bytes, op->len, op->at);
    } else if (op->kind == SIM_TRUNCATE) {
        if (op->at > c->len)
            sim_put(c, NULL, 0, op->at);
        c->len = (size_t)op->at;
    } else {
        if (op->old_name) {
            struct sim_entry *old = sim_find(cut->entries, cut->entry_count, op->old_folder,
                                             op->old_name, strlen(op->old_name));
            if (old && old->target == op->target)
                old->target = 0;
        }
        sim_set(&cut->entries, &cut->entry_count, &cut->entry_cap, op->inode, op->name, op->target);
    }
}

/* A part of a write: the head of it, or some of the sectors it touches. */
static void sim_tear(struct sim_cutting *cut, const struct sim_op *op)
{
    struct sim_op piece = *op;
    if (op->kind != SIM_WRITE)
        return;
    if (od_random_below(&cut->rng, 2)) {
        piece.len = (size_t)od_random_below(&cut->rng, op->len + 1);
        sim_apply(cut, &piece);
        return;
    }
    for (size_t from = 0, to; from < op->len; from = to) {
        to = from + SIM_SECTOR - (size_t)((op->at + from) % SIM_SECTOR);
        to = to < op->len ? to : op->len;
        piece.at = op->at + from;
        piece.bytes = op->bytes + from;
        piece.len = to - from;
        if (od_random_below(&cut->rng, 2))
            sim_apply(cut, &piece);
    }
}

static void sim_keep_head(struct sim_cutting *cut, const struct sim_waiting *w)
{
    size_t whole = (size_t)od_random_below(&cut->rng, w->count + 1);
    for (size_t i = 0; i < whole; i++)
        sim_apply(cut, &disk.ops[w->ops[i]]);
    if (whole < w->count)
        sim_tear(cut, &disk.ops[w->ops[whole]]);
}

/* Names keep their order, or a file removed and made again would take part in two stories. */
static void sim_scatter(struct sim_cutting *cut, const struct sim_waiting *w)
{
    for (size_t i = w->count; i > 1 && disk.ops[w->ops[0]].kind != SIM_NAME; i--) {
        size_t j = (size_t)od_random_below(&cut->rng, i), keep = w->ops[i - 1];
        w->ops[i - 1] = w->ops[j];
        w->ops[j] = keep;
    }
    for (size_t i = 0; i < w->count; i++) {
        uint64_t fate = od_random_below(&cut->rng, 3);
        if (fate == 0)
            sim_apply(cut, &disk.ops[w->ops[i]]);
        else if (fate == 1)
            sim_tear(cut, &disk.ops[w->ops[i]]);
    }
}

static void sim_settle(struct sim_cutting *cut, uint32_t inode, enum sim_style style)
{
    struct sim_waiting *w = &cut->waiting[inode];
    if (w->count && style == SIM_KEEPS_HEAD)
        sim_keep_head(cut, w);
    else if (w->count && style == SIM_CHAOS)
        sim_scatter(cut, w);
    for (size_t i = 0; style == SIM_KEEPS_ALL && i < w->count; i++)
        sim_apply(cut, &disk.ops[w->ops[i]]);
    w->count = 0;
}

static void sim_replay(struct sim_cutting *cut, size_t k)
{
    for (size_t i = 0; i < k; i++) {
        const struct sim_op *op = &disk.ops[i];
        struct sim_waiting *w = &cut->waiting[op->inode];
        if (op->kind == SIM_SYNC) {
            sim_settle(cut, op->inode, SIM_KEEPS_ALL);
        } else if (op->kind == SIM_SYNC_FAILED) {
            /* The kernel tried: some is there, and it tries none of it again. */
            sim_settle(cut, op->inode, cut->style == SIM_KEEPS_ALL ? SIM_CHAOS : cut->style);
        } else {
            w->ops = sim_grow(w->ops, w->count, &w->cap, sizeof *w->ops);
            w->ops[w->count++] = i;
        }
    }
    for (uint32_t inode = SIM_ROOT; inode <= disk.inodes; inode++)
        sim_settle(cut, inode, cut->style);
}

static void sim_build(const struct sim_cutting *cut, uint32_t folder, const char *to)
{
    char path[4096];
    for (size_t i = 0; i < cut->entry_count; i++) {
        const struct sim_entry *e = &cut->entries[i];
        if (e->folder != folder || !e->target)
            continue;
        int n = snprintf(path, sizeof path, "%s/%s", to, e->name);
        assert(n > 0 && n < (int)sizeof path);
        if (disk.folder[e->target]) {
            n = mkdir(path, 0700);
            assert(n == 0);
            sim_build(cut, e->target, path);
            continue;
        }
        const struct sim_content *c = &cut->files[e->target];
        int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
        assert(fd >= 0);
        ssize_t put = c->len ? write(fd, c->bytes, c->len) : 0;
        assert(put == (ssize_t)c->len);
        (void)put;
        close(fd);
    }
}

/* Makes the disk of a power cut after k operations in the empty folder to. Nobody uses the disk. */
static void sim_cut(size_t k, uint64_t seed, enum sim_style style, const char *to)
{
    struct sim_cutting cut = {.style = style};
    size_t inodes = disk.inodes + 1;
    od_random_init(&cut.rng, seed);
    cut.files = calloc(inodes, sizeof *cut.files);
    cut.waiting = calloc(inodes, sizeof *cut.waiting);
    assert(cut.files && cut.waiting && k <= disk.count);
    sim_replay(&cut, k);
    sim_build(&cut, SIM_ROOT, to);
    for (size_t i = 0; i < inodes; i++) {
        free(cut.files[i].bytes);
        free(cut.waiting[i].ops);
    }
    for (size_t i = 0; i < cut.entry_count; i++)
        free(cut.entries[i].name);
    free(cut.files);
    free(cut.waiting);
    free(cut.entries);
}

#endif
