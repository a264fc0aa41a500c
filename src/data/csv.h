/* CSV as data.md section 6 has it: bytes in memory to records of cells, without copying.
 *
 * The grammar is an automaton of six states (csv_state.c); a record ends at a newline outside of
 * quotes. Files are read in blocks that begin anywhere: a block's map says in which state it ends
 * for each state it may begin in, so blocks are surveyed independently and their true states follow
 * by walking the maps in order. A record belongs to the block its first byte lies in.
 *
 *   cell      bare, or "quoted"; \" and "" mean a quote inside, \\ a backslash
 *   record    cells joined by commas, ended by \n or \r\n or the end of the file
 *   empty     lines without a byte are skipped
 *
 * One thread at a time uses a reader. The header line is csv_header.c's. */
#ifndef OD_DATA_CSV_H
#define OD_DATA_CSV_H

#include "base/arena.h"

/* --- states and blocks --- */

enum od_csv_state {
    OD_CSV_AT_RECORD, /* at a record's first byte */
    OD_CSV_AT_CELL,   /* at the first byte of another cell */
    OD_CSV_BARE,      /* in a cell that is not quoted, or behind a closing quote's stray byte */
    OD_CSV_QUOTED,
    OD_CSV_ESCAPED, /* in quotes, behind a backslash */
    OD_CSV_CLOSED,  /* behind a quote that closes, unless another quote follows */
    OD_CSV_STATES
};

struct od_csv_survey {
    uint8_t to[OD_CSV_STATES]; /* the state behind the block, by the state before it */
    uint64_t newlines;
};

void od_csv_survey(struct od_str bytes, struct od_csv_survey *out);
enum od_csv_state od_csv_advance(enum od_csv_state state, struct od_str bytes);
/* Offset of the first record that begins in bytes, SIZE_MAX when none does. A record beginning
 * right behind the last byte counts (offset bytes.len). */
size_t od_csv_first_record(enum od_csv_state state, struct od_str bytes);
uint64_t od_csv_count_newlines(struct od_str bytes);

/* --- the header --- */

struct od_csv_header {
    size_t column_count;
    struct od_str *columns; /* trimmed, in the arena */
    size_t bytes;           /* up to the first byte behind the header's line */
    uint64_t next_line;     /* 1-based number of the line there */
};

/* bytes: the file's beginning, at least OD_MAX_CSV_RECORD_BYTES of it or all. A BOM and empty lines
 * before the header are skipped. Failures (OD_INVALID_INPUT): no header, too long, not UTF-8, a
 * quoted or a repeated name. */
enum od_status od_csv_header(struct od_arena *arena, struct od_str bytes, struct od_csv_header *out,
                             struct od_error *err) OD_MUST_USE;

/* --- records --- */

enum od_csv_fault {
    OD_CSV_FINE,
    OD_CSV_FEW_CELLS,
    OD_CSV_MANY_CELLS,
    OD_CSV_STRAY_QUOTE,  /* a quote inside a cell that is not quoted */
    OD_CSV_AFTER_QUOTE,  /* something between a closing quote and the comma */
    OD_CSV_UNTERMINATED, /* the file ends inside quotes */
    OD_CSV_TOO_LONG,     /* more than OD_MAX_CSV_RECORD_BYTES */
    OD_CSV_TOO_LONG_IN_QUOTES
};

struct od_csv_record {
    const struct od_str
        *cells; /* column_count of them when fine; the array goes with the next record */
    size_t cell_count;
    enum od_csv_fault fault;
    size_t fault_cell; /* index of the cell with a quoting fault */
    size_t fault_at;   /* offset in bytes of the quote or record at fault */
    size_t at;         /* offset in bytes of the record */
    bool copied; /* a cell lies in the reader and not in bytes: it goes with the next record */
    bool plain;  /* certainly ASCII without NUL; false says nothing */
};

enum od_csv_step {
    OD_CSV_GAVE_RECORD,
    OD_CSV_NEEDS_MORE, /* call od_csv_extend, then again */
    OD_CSV_ENDED,
    OD_CSV_NO_MEMORY
};

struct od_csv;
struct od_csv *od_csv_new(size_t column_count); /* NULL when out of memory */
void od_csv_free(struct od_csv *csv);
/* Reads the records that begin in bytes at or after begin (a record's first byte) and before owned.
 * whole: the file ends where bytes do. bytes must stay until the next start. */
void od_csv_start(struct od_csv *csv, struct od_str bytes, size_t begin, size_t owned, bool whole);
/* The same bytes with more behind them, maybe at another address: OD_MAX_CSV_RECORD_BYTES beyond
 * owned are always enough. */
void od_csv_extend(struct od_csv *csv, struct od_str bytes, bool whole);
enum od_csv_step od_csv_next(struct od_csv *csv, struct od_csv_record *out);
/* Offset in bytes of a cell of the record given last. */
size_t od_csv_cell_offset(const struct od_csv *csv, size_t cell);

#endif
