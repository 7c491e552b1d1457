/* Many matrix products of one size in float32, whose second factors are laid out beforehand.

   For torch.bmm a second factor is data like any other and is laid out anew in each call, which costs a tenth to a
   fifth of the time where the first factor has a few hundred rows, and more where it has fewer.

   A processor that multiplies and adds in one instruction is asked for; without, torch's products are the faster. */

#include <stddef.h>
#include <string.h>

#if defined(__AVX512F__)
enum { LANES = 16, ROWS = 12 };
#elif (defined(__AVX2__) && defined(__FMA__)) || defined(__aarch64__)
enum { LANES = 8, ROWS = 6 };
#else
#error "no instruction multiplies and adds"
#endif

enum { COLUMNS = 2 * LANES }; /* ROWS x COLUMNS sums stay in the registers, which they and what they are made of fill */
enum { DEPTH = 512 };         /* of a panel, COLUMNS wide, that stays in the first cache */
enum { BAND = 32 * ROWS };    /* rows that stay in the second cache while panels go by */
enum { LINE = 16 };           /* floats that are fetched together */

typedef ptrdiff_t Index;
typedef float Vector __attribute__((vector_size(LANES * sizeof(float))));
typedef float Unaligned __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

/* Some rows of a matrix times a panel. */
typedef struct {
    const float *left, *panel;
    float *out;
    Index left_row, out_row, depth; /* floats from row to row; rows of the panel */
    int onto;                       /* whether the sums go onto what is there */
    const float *next;              /* what is needed next of the panels, fetched meanwhile: .. */
    Index next_step;                /* .. a place for each row of this panel */
    const float *ahead;             /* what is needed of the rows of the next product, fetched meanwhile: .. */
    Index ahead_size;               /* .. so many floats in all */
} Task;

/* Columns of a panel. */
Index panel_columns(void) { return COLUMNS; }

/* `rows` is a constant wherever this is called, so that the sums are registers. */
static inline __attribute__((always_inline)) void multiply(const Task *task, const int rows) {
    const float *restrict left = task->left, *restrict panel = task->panel, *next = task->next;
    float *restrict out = task->out;
    Index left_row = task->left_row, out_row = task->out_row, depth = task->depth, next_step = task->next_step;
    Vector sums[ROWS][2];
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++) {
        sums[i][0] = sums[i][1] = (Vector){0};
        /* where the sums go is fetched while they are made */
        __builtin_prefetch(out + i * out_row, 1);
        __builtin_prefetch(out + i * out_row + COLUMNS - 1, 1);
    }
    for (Index k = 0; k < depth; k++) {
        __builtin_prefetch(next + k * next_step, 0, 2);
        Vector first = *(const Unaligned *)(panel + k * COLUMNS);
        Vector second = *(const Unaligned *)(panel + k * COLUMNS + LANES);
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) {
            sums[i][0] += left[i * left_row + k] * first;
            sums[i][1] += left[i * left_row + k] * second;
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++) {
        Unaligned *to = (Unaligned *)(out + i * out_row);
        if (task->onto) {
            sums[i][0] += to[0];
            sums[i][1] += to[1];
        }
        to[0] = sums[i][0];
        to[1] = sums[i][1];
    }
}

static void multiply_some(const Task *task, Index rows) {
    switch (rows) {
#define CASE(count) \
    case count: multiply(task, count); break;
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#if defined(__AVX512F__)
        CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
#endif
#undef CASE
    }
}

/* As multiply_some, of a panel that is wider than what is left of the matrix. */
static void multiply_last(Task task, Index rows, Index columns) {
    float whole[ROWS * COLUMNS], *out = task.out;
    Index out_row = task.out_row;
    int onto = task.onto;
    task.out = whole, task.out_row = COLUMNS, task.onto = 0;
    multiply_some(&task, rows);
    for (Index i = 0; i < rows; i++)
        for (Index j = 0; j < columns; j++)
            out[i * out_row + j] = (onto ? out[i * out_row + j] : 0) + whole[i * COLUMNS + j];
}

static Index smaller(Index a, Index b) { return a < b ? a : b; }

static Index parts(Index whole, Index part) { return (whole + part - 1) / part; }

/* Rows of one matrix times a panel; `task` says where the first ones begin. What is fetched meanwhile, a part with each
   few rows, is the panel behind, and a share of the next product's rows. */
static void multiply_band(Task task, Index rows, Index columns, Index panel_size) {
    Index lines = parts(parts(task.ahead_size, LINE), parts(rows, ROWS));
    task.next = task.panel + panel_size;
    task.next_step = parts(COLUMNS * ROWS, rows);
    for (Index i = 0; i < rows; i += ROWS) {
        for (Index line = 0; line < lines; line++, task.ahead += LINE) __builtin_prefetch(task.ahead, 0, 2);
        if (columns < COLUMNS)
            multiply_last(task, smaller(ROWS, rows - i), columns);
        else
            multiply_some(&task, smaller(ROWS, rows - i));
        task.left += ROWS * task.left_row;
        task.out += ROWS * task.out_row;
        task.next += task.depth * task.next_step;
    }
}

/* Rows `first` to `stop` of every product `out [count, rows, outputs]` of `left [count, rows, inputs]` and of panels
   `right [count, panels, inputs, COLUMNS]`. */
void products(const float *left, const float *right, Index count, Index rows, Index inputs, Index outputs, Index first,
              Index stop, float *out) {
    Index panels = parts(outputs, COLUMNS), panel_size = inputs * COLUMNS;
    for (Index number = 0; number < count; number++) {
        for (Index band = first; band < stop; band += BAND) {
            Index band_rows = smaller(BAND, stop - band);
            Index share = number + 1 < count ? band_rows * inputs / panels : 0; /* that goes with each panel */
            for (Index depth = 0; depth < inputs; depth += DEPTH) {
                for (Index j = 0; j < panels; j++) {
                    Task task = {.left = left + (number * rows + band) * inputs + depth,
                                 .panel = right + (number * panels + j) * panel_size + depth * COLUMNS,
                                 .out = out + (number * rows + band) * outputs + j * COLUMNS,
                                 .left_row = inputs, .out_row = outputs,
                                 .depth = smaller(DEPTH, inputs - depth), .onto = depth > 0,
                                 .ahead = left + ((number + 1) * rows + band) * inputs + j * share,
                                 .ahead_size = depth == 0 ? share : 0};
                    multiply_band(task, band_rows, outputs - j * COLUMNS, panel_size);
                }
            }
        }
    }
}
