/* A model image as a file. One thread. */
#ifndef OD_JOBS_IMAGE_FILE_H
#define OD_JOBS_IMAGE_FILE_H

#include "data/image.h"
#include "os/io.h"

/* Finishes the image into a file, synced; giving it its name is the caller's. */
enum od_status od_image_file_write(const struct od_io *io, const char *path,
                                   struct od_image_writer *image, struct od_error *err) OD_MUST_USE;

#endif
