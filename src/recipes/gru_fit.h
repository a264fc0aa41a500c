/* The header section of the recurrent network. Internal to gru_*.c. */
#ifndef OD_RECIPES_GRU_FIT_H
#define OD_RECIPES_GRU_FIT_H

#include <stdint.h>

#define OD_GRU_VERSION 1u
#define OD_GRU_WIDEST  4096u /* hidden_dimension reaches 256; an image asking for more is wrong */

struct od_gru_header {
    uint32_t version, items, hidden, width;
    uint32_t bptt, user_columns, epochs, unused;
    double ndcg; /* of the best weights in validation, NAN: not judged */
};

#endif
