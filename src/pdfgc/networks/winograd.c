/* What Winograd's convolutions (winograd.py) do to single numbers: all but their matrix products.

   Maps are [batch, height, width, channels], channels last, with gaps between pixels at most, where other channels are.
   Everything is done for one tile and a block of channels at a time, in small arrays that stay in the near caches; loops
   over channels are what the compiler makes vector instructions of. Names and orders of axes are those of
   winograd_torch.py; here a convolution that keeps the map's size has tiles of 6 x 6 outputs, F(6, 3), which need a fifth
   less products than 4 x 4. The last tiles of a row or column may reach beyond the map. */

#include <stddef.h>
#include <string.h>

enum { SIX = 6, EIGHT = SIX + 2 };  /* outputs of a tile along an axis, and factors: where the map keeps its size */
enum { TILE = 4, FIVE = TILE + 1 }; /* inputs of a tile, and factors: where it doubles */

enum { BLOCK = 64 };        /* channels at once: longer runs of memory, or arrays that fit the first cache */
enum { WINDOW_BLOCK = 32 }; /* channels of a window of the doubled map, which then fits the second cache */
enum { COLOURS = 3 };       /* numbers that are read off a pixel */
enum { KEPT = 3 };          /* rows that a low pass of four rows needs of those before */
enum { WINDOW_ROWS = KEPT + 2 * TILE };

/* Functions that are written out for the usual number of channels and once more for any other: loops of a length that
   is known beforehand are a few instructions. */
#define INLINE static inline __attribute__((always_inline))

typedef ptrdiff_t Index;

typedef struct {
    Index batch, height, width, channels, pixel; /* pixel: floats from one to the next */
} Shape;

/* What is convolved of a map: scale * x, or relu(scale * x + shift), or the map itself where scale is null. */
typedef struct {
    const float *scale;
    Index scale_batch; /* floats from sample to sample, 0 where all share one */
    const float *shift;
} Start;

/* leaky_relu(gain * sum + bias + added + noise); steps are in floats, 0 where all share what is there. */
typedef struct {
    const float *gain;
    Index gain_batch;
    const float *bias;
    const float *added;
    Index added_batch, added_row, added_column;
    const float *noise;
    Index noise_row, noise_column;
    float slope;
} Finish;

/* What is read off a finished map: `weight [batch, COLOURS, channels]`, null for nothing, and where it is added onto,
   `sums [batch, height, width, COLOURS]`. */
typedef struct {
    const float *weight;
    float *sums;
} Readout;

static Index smaller(Index a, Index b) { return a < b ? a : b; }

/* Eight neighbours, `step` floats apart, to the factors of F(6, 3): at 0, 1, -1, 2, -2, 1/2, -1/2 and infinity. */
INLINE void to_eight(const float *restrict in, Index step, float *restrict out, Index out_step, Index count) {
#pragma omp simd
    for (Index c = 0; c < count; c++) {
        float a = in[c], b = in[c + step], d = in[c + 2 * step], e = in[c + 3 * step];
        float f = in[c + 4 * step], g = in[c + 5 * step], h = in[c + 6 * step], i = in[c + 7 * step];
        float even = d + h - 4.25f * f, odd = b + g - 4.25f * e;
        out[c] = a - h + 5.25f * (f - d);
        out[c + out_step] = even + odd;
        out[c + 2 * out_step] = even - odd;
        even = h + 0.25f * d - 1.25f * f, odd = 0.5f * b - 2.5f * e + 2 * g;
        out[c + 3 * out_step] = even + odd;
        out[c + 4 * out_step] = even - odd;
        even = h + 4 * d - 5 * f, odd = 2 * b - 2.5f * e + 0.5f * g;
        out[c + 5 * out_step] = even + odd;
        out[c + 6 * out_step] = even - odd;
        out[c + 7 * out_step] = i - b + 5.25f * (e - g);
    }
}

/* The products of F(6, 3) to the six outputs. */
INLINE void from_eight(const float *restrict in, Index step, float *restrict out, Index out_step, Index count) {
#pragma omp simd
    for (Index c = 0; c < count; c++) {
        float a = in[c + step], b = in[c + 2 * step], d = in[c + 3 * step], e = in[c + 4 * step];
        float f = in[c + 5 * step], g = in[c + 6 * step];
        float one = a + b, two = d + e, half = f + g;
        out[c] = in[c] + one + two + half;
        out[c + 2 * out_step] = one + 4 * two + 0.25f * half;
        out[c + 4 * out_step] = one + 16 * two + 0.0625f * half;
        one = a - b, two = d - e, half = f - g;
        out[c + out_step] = one + 2 * two + 0.5f * half;
        out[c + 3 * out_step] = one + 8 * two + 0.125f * half;
        out[c + 5 * out_step] = one + 32 * two + 0.03125f * half + in[c + 7 * step];
    }
}

/* Five neighbours to the factors of F(4, 2). */
INLINE void to_five(const float *restrict in, Index step, float *restrict out, Index out_step, Index count) {
#pragma omp simd
    for (Index c = 0; c < count; c++) {
        float a = in[c], b = in[c + step], d = in[c + 2 * step], e = in[c + 3 * step], f = in[c + 4 * step];
        float near = e - d, apart = e - b;
        out[c] = near + 2 * a - b - d;
        out[c + out_step] = near - 2 * b;
        out[c + 2 * out_step] = near + 2 * (b - d);
        out[c + 3 * out_step] = apart;
        out[c + 4 * out_step] = f - d - 2 * apart;
    }
}

/* The products of F(4, 2) to the four outputs. */
INLINE void from_five(const float *restrict in, Index step, float *restrict out, Index out_step, Index count) {
#pragma omp simd
    for (Index c = 0; c < count; c++) {
        float a = in[c + step], b = in[c + 2 * step], outer = in[c + 3 * step];
        float inner = a + b, twist = a - b;
        out[c] = in[c] + inner + outer;
        out[c + out_step] = twist + 2 * outer;
        out[c + 2 * out_step] = inner + 4 * outer;
        out[c + 3 * out_step] = twist + 8 * outer + in[c + 4 * step];
    }
}

static const float *of_sample(const float *map, Shape shape, Index sample) {
    return map + sample * shape.height * shape.width * shape.pixel;
}

static Start at_channel(const Start *start, Index sample, Index channel) {
    const float *scale = start->scale ? start->scale + sample * start->scale_batch + channel : NULL;
    return (Start){scale, 0, start->shift ? start->shift + channel : NULL};
}

/* Pixels [side, side, BLOCK] from a place on as they are convolved, zero outside the map. */
INLINE void load_tile(const float *map, Shape shape, Index top, Index left, Index side, Start start, Index count,
                      float *restrict pixels) {
    const float *restrict scale = start.scale, *restrict shift = start.shift;
    for (Index i = 0; i < side; i++) {
        for (Index j = 0; j < side; j++, pixels += BLOCK) {
            Index row = top + i, column = left + j;
            if (row < 0 || row >= shape.height || column < 0 || column >= shape.width) {
                memset(pixels, 0, count * sizeof *pixels);
                continue;
            }
            const float *restrict from = map + (row * shape.width + column) * shape.pixel;
            if (scale == NULL) {
                memcpy(pixels, from, count * sizeof *pixels);
            } else if (shift == NULL) {
#pragma omp simd
                for (Index c = 0; c < count; c++) pixels[c] = from[c] * scale[c];
            } else {
#pragma omp simd
                for (Index c = 0; c < count; c++) {
                    float value = from[c] * scale[c] + shift[c];
                    pixels[c] = value < 0 ? 0 : value;
                }
            }
        }
    }
}

/* One pixel's channels, from `channel` on. */
INLINE void finish_pixel(const Finish *finish, Index sample, Index row, Index column, Index channel,
                         const float *restrict sums, float *restrict out, Index count) {
    const float *restrict gain = finish->gain + sample * finish->gain_batch + channel;
    const float *restrict bias = finish->bias + channel;
    const float *restrict added = finish->added + sample * finish->added_batch + row * finish->added_row +
                                  column * finish->added_column + channel;
    float noise = finish->noise[row * finish->noise_row + column * finish->noise_column], slope = finish->slope;
#pragma omp simd
    for (Index c = 0; c < count; c++) {
        float value = gain[c] * sums[c] + (bias[c] + added[c] + noise);
        out[c] = value > 0 ? value : value * slope;
    }
}

/* Adds one pixel's channels, from `channel` on, onto its colours. */
INLINE void read_pixel(const Readout *readout, Shape shape, Index sample, Index row, Index column, Index channel,
                       const float *values, Index count) {
    const float *restrict red = readout->weight + sample * COLOURS * shape.channels + channel;
    const float *restrict green = red + shape.channels, *restrict blue = green + shape.channels;
    float *sums = readout->sums + ((sample * shape.height + row) * shape.width + column) * COLOURS;
    float r = 0, g = 0, b = 0;
#pragma omp simd reduction(+ : r, g, b)
    for (Index c = 0; c < count; c++) {
        r += values[c] * red[c];
        g += values[c] * green[c];
        b += values[c] * blue[c];
    }
    sums[0] += r, sums[1] += g, sums[2] += b;
}

static Index tiles_along(Index length) { return (length + SIX - 1) / SIX; }

enum { LINE = 16 }; /* floats that are fetched together */

/* Has the next block's places fetched, those behind a block's in eight planes: more streams than a processor follows by
   itself. `written` is a constant: whether they are written or read. */
#define FETCH_NEXT(block, plane, count, written)                                                                       \
    for (Index k = 0; k < EIGHT; k++)                                                                                  \
        for (Index c = (count); c < 2 * (count); c += LINE) __builtin_prefetch((block) + k * (plane) + c, written)

/* A block of channels of one tile to its factors, `plane` floats apart. */
INLINE void tile_to_factors(const float *map, Shape shape, Index top, Index left, Start start, Index count,
                            float *factors, Index plane) {
    float pixels[EIGHT * EIGHT * BLOCK], down[EIGHT * EIGHT * BLOCK];
    load_tile(map, shape, top - 1, left - 1, EIGHT, start, count, pixels);
    for (Index j = 0; j < EIGHT; j++)
        to_eight(pixels + j * BLOCK, EIGHT * BLOCK, down + j * BLOCK, EIGHT * BLOCK, count);
    for (Index i = 0; i < EIGHT; i++) {
        FETCH_NEXT(factors + i * plane, EIGHT * plane, count, 1);
        to_eight(down + i * EIGHT * BLOCK, BLOCK, factors + i * plane, EIGHT * plane, count);
    }
}

static void factors_of_tile(const float *map, Shape shape, Index top, Index left, Start start, Index count,
                            float *factors, Index plane) {
    if (count == BLOCK)
        tile_to_factors(map, shape, top, left, start, BLOCK, factors, plane);
    else
        tile_to_factors(map, shape, top, left, start, count, factors, plane);
}

/* Rows `first` to `stop` of a map to `factors [8 across, 8 down, batch, tiles down, tiles across, channels]`. */
void conv_factors(const float *x, const Shape *of_x, const Start *start, Index first, Index stop, float *factors) {
    Shape shape = *of_x;
    Index plane = shape.batch * tiles_along(stop - first) * tiles_along(shape.width) * shape.channels;
    for (Index sample = 0; sample < shape.batch; sample++) {
        const float *map = of_sample(x, shape, sample);
        for (Index top = first; top < stop; top += SIX)
            for (Index left = 0; left < shape.width; left += SIX, factors += shape.channels)
                for (Index channel = 0; channel < shape.channels; channel += BLOCK)
                    factors_of_tile(map + channel, shape, top, left, at_channel(start, sample, channel),
                                    smaller(BLOCK, shape.channels - channel), factors + channel, plane);
    }
}

/* A block of channels of one tile's products, `plane` floats apart, to its outputs [6 down, 6 across, BLOCK]. */
INLINE void tile_from_products(const float *products, Index plane, Index count, float *sums) {
    float across[EIGHT * SIX * BLOCK];
    for (Index i = 0; i < EIGHT; i++) {
        FETCH_NEXT(products + i * plane, EIGHT * plane, count, 0);
        from_eight(products + i * plane, EIGHT * plane, across + i * SIX * BLOCK, BLOCK, count);
    }
    for (Index j = 0; j < SIX; j++)
        from_eight(across + j * BLOCK, SIX * BLOCK, sums + j * BLOCK, SIX * BLOCK, count);
}

static void sums_of_tile(const float *products, Index plane, Index count, float *sums) {
    if (count == BLOCK)
        tile_from_products(products, plane, BLOCK, sums);
    else
        tile_from_products(products, plane, count, sums);
}

/* A pixel of a map `shape`, finished and read; kept where there is a map. */
INLINE void end_pixel(const Finish *finish, const Readout *readout, Shape shape, Index sample, Index row, Index column,
                      Index channel, const float *sums, float *map, Index count) {
    float passing[BLOCK], *out = map ? map + (row * shape.width + column) * shape.pixel + channel : passing;
    finish_pixel(finish, sample, row, column, channel, sums, out, count);
    if (readout->weight) read_pixel(readout, shape, sample, row, column, channel, out, count);
}

static void end_block(const Finish *finish, const Readout *readout, Shape shape, Index sample, Index row, Index column,
                      Index channel, const float *sums, float *map, Index count) {
    if (count == BLOCK)
        end_pixel(finish, readout, shape, sample, row, column, channel, sums, map, BLOCK);
    else
        end_pixel(finish, readout, shape, sample, row, column, channel, sums, map, count);
}

/* Products, in the order of the factors, to the same rows of a map, which may be null where it is only read. */
void conv_output(const float *products, const Shape *of_out, const Finish *finish, const Readout *readout, Index first,
                 Index stop, float *out) {
    Shape shape = *of_out;
    Index plane = shape.batch * tiles_along(stop - first) * tiles_along(shape.width) * shape.channels;
    float sums[SIX * SIX * BLOCK];
    for (Index sample = 0; sample < shape.batch; sample++) {
        float *map = out ? out + sample * shape.height * shape.width * shape.pixel : NULL;
        for (Index top = first; top < stop; top += SIX) {
            for (Index left = 0; left < shape.width; left += SIX, products += shape.channels) {
                Index bottom = smaller(top + SIX, stop), right = smaller(left + SIX, shape.width);
                for (Index channel = 0; channel < shape.channels; channel += BLOCK) {
                    Index count = smaller(BLOCK, shape.channels - channel);
                    sums_of_tile(products + channel, plane, count, sums);
                    for (Index row = top; row < bottom; row++)
                        for (Index column = left; column < right; column++)
                            end_block(finish, readout, shape, sample, row, column, channel,
                                      sums + ((row - top) * SIX + column - left) * BLOCK, map, count);
                }
            }
        }
    }
}

/* What a doubling's factors are written to, or its products read from, where a tile and a block of channels begin:
   `both [5 across, 5 down, batch, tiles down, tiles across, channels]`, `down [5, batch, tiles down, width, channels]`,
   `across [5, batch, rows, tiles across, channels]` and `plain [batch, rows, width, channels]`. */
typedef struct {
    float *both, *down, *across, *plain;
} Sorts;

/* Floats between neighbours in them. */
typedef struct {
    Index pixel, line; /* one row of the map, of `across` */
    Index plane, wide; /* of `both`, of `down` and `across` */
} Steps;

static Steps steps_of(Shape shape, Index rows) {
    Index line = shape.width / TILE * shape.channels, plane = shape.batch * (rows / TILE) * line;
    return (Steps){shape.channels, line, plane, TILE * plane};
}

/* Where a tile begins; rows of tiles are counted through the batch. */
static Sorts at_tile(Sorts start, Steps steps, Index row_of_tiles, Index tile, Index channel) {
    Index across = tile * steps.pixel, above = row_of_tiles * steps.line;
    return (Sorts){start.both + above + across + channel, start.down + TILE * (above + across) + channel,
                   start.across + TILE * above + across + channel,
                   start.plain + TILE * (TILE * above + across) + channel};
}

/* A block of channels of one tile, of pixels [5, 5, BLOCK], to its factors. */
static void double_factors(const float *pixels, Index count, Sorts at, Steps steps) {
    float columns[FIVE * FIVE * BLOCK];
    for (Index j = 0; j < FIVE; j++)
        to_five(pixels + j * BLOCK, FIVE * BLOCK, columns + j * BLOCK, FIVE * BLOCK, count);
    for (Index i = 0; i < FIVE; i++) {
        to_five(columns + i * FIVE * BLOCK, BLOCK, at.both + i * steps.plane, FIVE * steps.plane, count);
        for (Index j = 0; j < TILE; j++)
            memcpy(at.down + i * steps.wide + j * steps.pixel, columns + (i * FIVE + j + 1) * BLOCK,
                   count * sizeof *columns);
    }
    for (Index i = 0; i < TILE; i++) {
        const float *row = pixels + (i + 1) * FIVE * BLOCK;
        to_five(row, BLOCK, at.across + i * steps.line, steps.wide, count);
        for (Index j = 0; j < TILE; j++)
            memcpy(at.plain + i * TILE * steps.line + j * steps.pixel, row + (j + 1) * BLOCK, count * sizeof *row);
    }
}

/* Rows `first` to `stop` of a map to the factors of its doubling. */
void doubling_factors(const float *x, const Shape *of_x, const Start *start, Index first, Index stop,
                      const Sorts *factors) {
    Shape shape = *of_x;
    Steps steps = steps_of(shape, stop - first);
    Index row_of_tiles = 0;
    float pixels[FIVE * FIVE * BLOCK];
    for (Index sample = 0; sample < shape.batch; sample++) {
        const float *map = of_sample(x, shape, sample);
        for (Index top = first; top < stop; top += TILE, row_of_tiles++) {
            for (Index tile = 0; tile < shape.width / TILE; tile++) {
                for (Index channel = 0; channel < shape.channels; channel += BLOCK) {
                    Index count = smaller(BLOCK, shape.channels - channel);
                    load_tile(map + channel, shape, top - 1, TILE * tile - 1, FIVE,
                              at_channel(start, sample, channel), count, pixels);
                    double_factors(pixels, count, at_tile(*factors, steps, row_of_tiles, tile, channel), steps);
                }
            }
        }
    }
}

/* Rows of some channels of one doubled map, from the one above the first that is filtered on. */
typedef struct {
    float *rows;    /* [WINDOW_ROWS, width, WINDOW_BLOCK], a column of zeros at either end */
    float *between; /* [width, WINDOW_BLOCK] */
    Index width, row; /* row: floats of one */
    Index sample, channel, count, channels;
    const Finish *finish;
    float *out; /* [width - 3, width - 3, channels] where the channels begin, and the sample */
} Window;

static Window window_of(Shape shape, Index sample, Index channel, const Finish *finish, float *room, float *out) {
    Index width = 2 * shape.width + KEPT, row = width * WINDOW_BLOCK;
    memset(room, 0, (WINDOW_ROWS + 1) * row * sizeof *room);
    return (Window){room, room + WINDOW_ROWS * row, width, row, sample, channel,
                    smaller(WINDOW_BLOCK, shape.channels - channel), shape.channels, finish,
                    out + sample * 4 * shape.height * shape.width * shape.channels + channel};
}

/* A tile's 8 x 8 pixels, `tile` tiles from the left, of the rows behind the kept ones. */
INLINE void tile_to_window(const Window *window, Index tile, Sorts at, Steps steps, Index count) {
    enum { B = WINDOW_BLOCK };
    Index row = window->row;
    float *even = window->rows + KEPT * row + (1 + 2 * TILE * tile) * B, *odd = even + row;
    float halfway[FIVE * TILE * B];
    for (Index i = 0; i < FIVE; i++)
        from_five(at.both + i * steps.plane, FIVE * steps.plane, halfway + i * TILE * B, B, count);
    for (Index k = 0; k < TILE; k++) {
        from_five(halfway + k * B, TILE * B, even + 2 * k * B, 2 * row, count);
        from_five(at.down + k * steps.pixel, steps.wide, even + (2 * k + 1) * B, 2 * row, count);
        from_five(at.across + k * steps.line, steps.wide, odd + 2 * k * row, 2 * B, count);
        for (Index j = 0; j < TILE; j++)
            memcpy(odd + 2 * k * row + (2 * j + 1) * B, at.plain + k * TILE * steps.line + j * steps.pixel,
                   count * sizeof *odd);
    }
}

static void double_tile(const Window *window, Index tile, Sorts at, Steps steps) {
    if (window->count == WINDOW_BLOCK)
        tile_to_window(window, tile, at, steps, WINDOW_BLOCK);
    else
        tile_to_window(window, tile, at, steps, window->count);
}

/* Pixels of a map to a window's, or back. */
static void to_window(const Window *window, const float *from, float *pixels, Index number) {
    for (Index k = 0; k < number; k++)
        memcpy(pixels + k * WINDOW_BLOCK, from + k * window->channels, window->count * sizeof *pixels);
}

static void from_window(const Window *window, const float *pixels, float *to, Index number) {
    for (Index k = 0; k < number; k++)
        memcpy(to + k * window->channels, pixels + k * WINDOW_BLOCK, window->count * sizeof *pixels);
}

/* Four neighbours, `step` floats apart, under [1, 3, 3, 1]. */
INLINE void low_pass(const float *restrict in, Index step, float *restrict out, Index count) {
#pragma omp simd
    for (Index c = 0; c < count; c++)
        out[c] = in[c] + in[c + 3 * step] + 3 * (in[c + step] + in[c + 2 * step]);
}

/* A row of the output, of rows that are filtered down already. */
INLINE void filter_row(const Window *window, Index row, Index count) {
    float sums[WINDOW_BLOCK];
    Index width = window->width - KEPT;
    float *out = window->out + row * width * window->channels;
    for (Index column = 0; column < width; column++, out += window->channels) {
        low_pass(window->between + column * WINDOW_BLOCK, WINDOW_BLOCK, sums, count);
        finish_pixel(window->finish, window->sample, row, column, window->channel, sums, out, count);
    }
}

/* Rows of the output from `first` on, `number` of them, but none before 0. */
static void filter_rows(const Window *window, Index first, Index number) {
    for (Index k = first < 0 ? -first : 0; k < number; k++) {
        low_pass(window->rows + k * window->row, window->row, window->between, window->row);
        if (window->count == WINDOW_BLOCK)
            filter_row(window, first + k, WINDOW_BLOCK);
        else
            filter_row(window, first + k, window->count);
    }
}

/* Products of rows `first` to `stop` of a map [batch, height, width] to rows of the doubled and filtered one, from
   2 first - 2 on.

   `edge [batch, 2 rows, channels]` is the doubled map's last column. `kept [batch, 3, 2 width + 3, channels]` are the
   last rows of the doubled map before these, a column of zeros at either end; it becomes the last of these. `room` is
   for (WINDOW_ROWS + 1) (2 width + 3) WINDOW_BLOCK floats. */
void doubling_output(const Sorts *products, const float *edge, const Shape *of_map, const Finish *finish, Index first,
                     Index stop, float *kept, float *room, float *out) {
    Shape shape = *of_map;
    Steps steps = steps_of(shape, stop - first);
    Index lines = (stop - first) / TILE;
    for (Index sample = 0; sample < shape.batch; sample++) {
        for (Index channel = 0; channel < shape.channels; channel += WINDOW_BLOCK) {
            Window window = window_of(shape, sample, channel, finish, room, out);
            float *fresh = window.rows + KEPT * window.row;
            float *before = kept + sample * KEPT * window.width * shape.channels + channel;
            to_window(&window, before, window.rows, KEPT * window.width);
            for (Index line = 0; line < lines; line++) {
                Index row_of_tiles = sample * lines + line;
                for (Index tile = 0; tile < shape.width / TILE; tile++)
                    double_tile(&window, tile, at_tile(*products, steps, row_of_tiles, tile, channel), steps);
                for (Index k = 0; k < 2 * TILE; k++)
                    to_window(&window, edge + (row_of_tiles * 2 * TILE + k) * shape.channels + channel,
                              fresh + (k + 1) * window.row - 2 * WINDOW_BLOCK, 1);
                filter_rows(&window, 2 * (first + TILE * line) - 2, 2 * TILE);
                memcpy(window.rows, window.rows + 2 * TILE * window.row, KEPT * window.row * sizeof *fresh);
            }
            from_window(&window, window.rows, before, KEPT * window.width);
        }
    }
}

/* The last two rows of the doubled and filtered map: after `kept` comes a row `last [batch, 2 width + 1, channels]`. */
void doubling_end(const float *kept, const float *last, const Shape *of_map, const Finish *finish, float *room,
                  float *out) {
    Shape shape = *of_map;
    for (Index sample = 0; sample < shape.batch; sample++) {
        for (Index channel = 0; channel < shape.channels; channel += WINDOW_BLOCK) {
            Window window = window_of(shape, sample, channel, finish, room, out);
            to_window(&window, kept + sample * KEPT * window.width * shape.channels + channel, window.rows,
                      KEPT * window.width);
            to_window(&window, last + sample * (window.width - 2) * shape.channels + channel,
                      window.rows + KEPT * window.row + WINDOW_BLOCK, window.width - 2);
            filter_rows(&window, 2 * shape.height - 2, 2);
        }
    }
}
