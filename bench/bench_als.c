/* Factors by iALS++: seconds of its sweeps. bench/implicit.py sets it beside a peer.
 *
 *   bench_als generate FILE USERS ITEMS
 *   bench_als run FILE FACTORS SWEEPS RIDGE WEIGHT THREADS [OUT]
 *
 * run prints one line of JSON. The model is sum over pairs (w v - 1)^2 + 1 / WEIGHT sum over all
 * (w v)^2 + RIDGE / WEIGHT (|W|^2 + |V|^2): a confidence of WEIGHT, in the peer's terms. OUT gets
 * the factors, users then items, as float32. Without arguments it makes data and runs by itself. */
#include "math/blas.h"
#include "pairs.inc"

#include "os/parallel.h"
#include "recipes/als.h"

static struct od_als_config config_of(uint32_t factors, uint32_t sweeps, float ridge, float weight)
{
    return (struct od_als_config){.kind = OD_ALS_FACTORS,
                                  .dims = factors,
                                  .sweeps = sweeps,
                                  .unobserved = 1 / weight,
                                  .ridge = ridge / weight,
                                  .power = 0};
}

static void save(const char *path, const struct od_als_fit *fit)
{
    FILE *file = fopen(path, "wb");
    size_t users = (size_t)fit->user_count * fit->config.dims;
    size_t items = (size_t)fit->item_count * fit->config.dims;
    if (!file || fwrite(fit->user, sizeof *fit->user, users, file) != users ||
        fwrite(fit->item, sizeof *fit->item, items, file) != items || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static double run(const char *path, const struct od_als_config *config, unsigned threads,
                  const char *out)
{
    struct od_error err = {0};
    struct od_als_matrix matrix;
    struct od_als_fit fit;
    struct od_training *t = pairs_read(path);
    double loss = 0, began;
    check(od_als_matrix_init(&matrix, t, t->user_start + 1, &err), &err);
    struct od_train_input input = {.training = t, .seed = 1, .threads = threads};
    began = now_s();
    double cpu = cpu_s();
    check(od_als_train(&matrix, config, &input, &fit, &err), &err);
    double seconds = now_s() - began;
    cpu = cpu_s() - cpu;
    check(od_als_loss(&fit, &matrix, &loss), &err);
    uint64_t pairs = matrix.users.at[matrix.users.rows];
    printf("{\"seconds\": %.3f, \"cpu_seconds\": %.3f, \"loss\": %.1f, \"pairs\": %llu, \"users\": "
           "%u, \"items\": %u, "
           "\"gflops\": %.1f}\n",
           seconds, cpu, loss, (unsigned long long)pairs, fit.user_count, fit.item_count,
           od_als_operations(config, pairs, (uint64_t)fit.user_count + fit.item_count) / seconds *
               1e-9);
    if (out)
        save(out, &fit);
    od_als_fit_done(&fit);
    od_als_matrix_done(&matrix);
    od_training_free(t);
    return seconds;
}

static void run_by_itself(void)
{
    char folder[] = "bench_als_XXXXXX", path[64];
    struct od_error err = {0};
    if (!mkdtemp(folder)) {
        perror("bench_als");
        exit(1);
    }
    snprintf(path, sizeof path, "%s/pairs.csv", folder);
    pairs_generate(path, 20000, 8000);
    for (unsigned threads = 1; threads <= 2; threads++) {
        struct od_als_config config = config_of(128, 5, 1, 40);
        printf("%u thread%s: ", threads, threads == 1 ? "" : "s");
        fflush(stdout);
        run(path, &config, threads, NULL);
    }
    check(od_io_remove_tree(&od_io_real, folder, &err), &err);
}

int main(int argc, char **argv)
{
    od_blas_know_cpu(argv);
    if (argc == 5 && strcmp(argv[1], "generate") == 0) {
        pairs_generate(argv[2], (uint32_t)strtoul(argv[3], NULL, 10),
                       (uint32_t)strtoul(argv[4], NULL, 10));
    } else if ((argc == 8 || argc == 9) && strcmp(argv[1], "run") == 0) {
        struct od_als_config config =
            config_of((uint32_t)strtoul(argv[3], NULL, 10), (uint32_t)strtoul(argv[4], NULL, 10),
                      strtof(argv[5], NULL), strtof(argv[6], NULL));
        run(argv[2], &config, (unsigned)strtoul(argv[7], NULL, 10), argc == 9 ? argv[8] : NULL);
    } else if (argc == 1) {
        run_by_itself();
    } else {
        fprintf(stderr, "usage: bench_als [generate FILE USERS ITEMS | run FILE FACTORS SWEEPS "
                        "RIDGE WEIGHT THREADS [OUT]]\n");
        return 2;
    }
    return 0;
}
