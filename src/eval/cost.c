/* Linux tells the highest resident size of a process in /proc/self/status (VmHWM), and forgets it
 * when a 5 is written to /proc/self/clear_refs. Where it cannot be made to forget, the peak is ours
 * only if it rose; else none is given. */
#include "eval/cost.h"

#include <string.h>

#include "math/operations.h"

#define STATUS_BYTES 16384

/* A line "VmRSS:   1234 kB" of /proc/self/status, in bytes; 0 when it is not there. */
static uint64_t status_bytes(const struct od_io *io, const char *key)
{
    char text[STATUS_BYTES];
    size_t len = 0;
    int fd;
    if (io->open(io, "/proc/self/status", OD_OPEN_READ, &fd, NULL) != OD_OK)
        return 0;
    enum od_status s = io->read_at(io, fd, text, sizeof text, 0, &len, NULL);
    io->close(io, fd);
    struct od_str rest = {text, s == OD_OK ? len : 0}, line;
    while (od_str_cut(&rest, '\n', &line)) {
        struct od_str name, value = line, number;
        uint64_t kib;
        if (!od_str_cut(&value, ':', &name) || !od_str_eq_c(name, key))
            continue;
        value = od_str_trim(value);
        return od_str_cut(&value, ' ', &number) && od_str_to_u64(number, &kib) ? kib << 10 : 0;
    }
    return 0;
}

static bool forget_peak(const struct od_io *io)
{
    int fd;
    if (io->open(io, "/proc/self/clear_refs", OD_OPEN_APPEND, &fd, NULL) != OD_OK)
        return false;
    enum od_status s = io->write_at(io, fd, "5", 1, 0, NULL);
    io->close(io, fd);
    return s == OD_OK;
}

void od_cost_begin(struct od_cost_watch *watch, const struct od_io *io)
{
    bool forgot = forget_peak(io);
    *watch = (struct od_cost_watch){.io = io,
                                    .resident = status_bytes(io, "VmRSS"),
                                    .earlier_peak = forgot ? 0 : status_bytes(io, "VmHWM"),
                                    .operations = od_operations_count(),
                                    .begun_ns = io->monotonic_ns(io)};
}

void od_cost_end(const struct od_cost_watch *watch, struct od_cost *out)
{
    int64_t ns = watch->io->monotonic_ns(watch->io) - watch->begun_ns;
    uint64_t peak = watch->resident ? status_bytes(watch->io, "VmHWM") : 0;
    bool ours = peak > watch->earlier_peak && peak > watch->resident;
    *out = (struct od_cost){.seconds = (double)ns * 1e-9,
                            .operations = (double)(od_operations_count() - watch->operations),
                            .peak_bytes = ours ? peak - watch->resident : 0};
}
