/* What remote.c and send.c share; nobody else includes this. */
#ifndef OD_S3_REMOTE_INNER_H
#define OD_S3_REMOTE_INNER_H

#include <pthread.h>
#include <stdio.h>

#include "base/limits.h"
#include "s3/form.h"
#include "s3/remote.h"
#include "s3/xml.h"

struct handle {
    char *path;     /* s3://bucket/key */
    int local;      /* of a staged file; -1: an object being read */
    uint64_t bytes; /* of the object */
    char etag[128];
};

/* A local file that is to become an object. */
struct staged {
    struct staged *next;
    char *path;  /* s3:// name it was opened under */
    char *local; /* where its bytes are */
};

struct od_remote {
    struct od_io io; /* ours */
    const struct od_io *base;
    struct od_s3_client *client;
    char *staging;
    char *kms_key;        /* of objects written; NULL: none */
    pthread_mutex_t lock; /* guards the rest */
    struct handle **handles;
    size_t count;
    struct staged *staged;
};

bool od_remote_path(const char *path); /* does it begin with s3:// ? */
void od_remote_split(const char *path, struct od_str *out_bucket, struct od_str *out_key);
/* Opens a local file that stands for path, in place of an earlier one. */
enum od_status od_remote_stage(struct od_remote *remote, const char *path, int *out_fd,
                               struct od_error *err) OD_MUST_USE;
/* Removes the local file that stands for path; false: there is none. */
bool od_remote_unstage(struct od_remote *remote, const char *path);
/* rename of struct od_io. */
enum od_status od_remote_rename(const struct od_io *io, const char *from, const char *to,
                                struct od_error *err);

#endif
