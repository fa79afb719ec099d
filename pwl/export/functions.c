/* The functions that exported headers are made of. `source.py` takes those that a network needs, puts the header's own name in the
   place of NET, and float or double in place of the type. Arrays are row by row; sizes are in the comments. */

/* A window that moves over images x[height][width][channels] and has high x wide places. The others are pairs (down, across). */
typedef struct {
    int height, width, channels, high, wide, size[2], stride[2], dilation[2], before[2];
} NET_window;

/* y[count] = x[count] */
static inline void NET_copy(int count, const NET_real *x, NET_real *y)
{
    for (int k = 0; k < count; k++) y[k] = x[k];
}

/* n[places][columns] -= row[columns] */
static inline void NET_subtract(int places, int columns, const NET_real *row, NET_real *n)
{
    for (int p = 0; p < places; p++)
        for (int k = 0; k < columns; k++) n[p * columns + k] -= row[k];
}

/* n[places][columns] += row[columns] */
static inline void NET_shift(int places, int columns, const NET_real *row, NET_real *n)
{
    for (int p = 0; p < places; p++)
        for (int k = 0; k < columns; k++) n[p * columns + k] += row[k];
}

/* n[places][columns] *= row[columns] */
static inline void NET_scale(int places, int columns, const NET_real *row, NET_real *n)
{
    for (int p = 0; p < places; p++)
        for (int k = 0; k < columns; k++) n[p * columns + k] *= row[k];
}

/* n[count] += other[count] */
static inline void NET_add(int count, const NET_real *other, NET_real *n)
{
    for (int k = 0; k < count; k++) n[k] += other[k];
}

/* y[count] += weight * part[count] */
static inline void NET_add_part(int count, NET_real weight, const NET_real *part, NET_real *y)
{
    for (int k = 0; k < count; k++) y[k] += weight * part[k];
}

/* n[units] += sum over j of x[j] W[j], for x[inputs] and W[inputs][units] */
static inline void NET_sums(int inputs, int units, const NET_real *W, const NET_real *x, NET_real *restrict n)
{
    for (int j = 0; j < inputs; j++)
        for (int k = 0; k < units; k++) n[k] += x[j] * W[j * units + k];
}

/* n[units] += curves of the inputs x[own[i]]: ordinates A[inputs][hinges][units] at hinges ns[inputs][hinges], and inverse widths of
   the segments, inverse[inputs][hinges - 1] */
static inline void NET_input_curves(int inputs, int hinges, int units, const int *own, const NET_real *ns, const NET_real *inverse,
                                    const NET_real *A, const NET_real *x, NET_real *restrict n)
{
    for (int i = 0; i < inputs; i++) {
        const NET_real *q = ns + i * hinges;
        NET_real at = x[own[i]], u;
        int m = 0;
        if (at < q[0]) at = q[0];
        if (at > q[hinges - 1]) at = q[hinges - 1];
        for (int h = 1; h < hinges - 1; h++) m += at >= q[h];
        u = (at - q[m]) * inverse[i * (hinges - 1) + m];
        const NET_real *left = A + (i * hinges + m) * units, *right = left + units;
        for (int k = 0; k < units; k++) n[k] += left[k] + u * (right[k] - left[k]);
    }
}

/* The segment of t, from 0 to segments - 1. It is 0 if t is not a number. */
static inline int NET_segment(NET_real t, int segments)
{
    return t > 0 ? (t < (NET_real)(segments - 1) ? (int)t : segments - 1) : 0;
}

/* t within [0, last] */
static inline NET_real NET_within(NET_real t, int last)
{
    return t < 0 ? 0 : t > (NET_real)last ? (NET_real)last : t;
}

/* n[places][units] becomes its curves: ordinates A[units][segments + 1] at uniform hinges from first[units] on, constant outside */
static inline void NET_curves(int places, int units, int segments, const NET_real *first, const NET_real *inverse, const NET_real *A,
                              NET_real *n)
{
    for (int p = 0; p < places; p++)
        for (int k = 0; k < units; k++, n++) {
            NET_real t = NET_within((*n - first[k]) * inverse[k], segments);
            int m = NET_segment(t, segments);
            const NET_real *left = A + k * (segments + 1) + m;
            *n = left[0] + (t - (NET_real)m) * (left[1] - left[0]);
        }
}

/* n[places][units] becomes its curves: ordinates A[units][segments + 1] at uniform hinges from first[units] on, straight outside */
static inline void NET_straight_curves(int places, int units, int segments, const NET_real *first, const NET_real *inverse,
                                       const NET_real *A, NET_real *n)
{
    for (int p = 0; p < places; p++)
        for (int k = 0; k < units; k++, n++) {
            NET_real t = (*n - first[k]) * inverse[k];
            int m = NET_segment(t, segments);
            const NET_real *left = A + k * (segments + 1) + m;
            *n = left[0] + (t - (NET_real)m) * (left[1] - left[0]);
        }
}

/* n[places][units] becomes its curves: ordinates A[units][segments + 1] at the hinges ns[units][segments + 1], constant outside
   unless straight is 1, with inverse widths of the segments, inverse[units][segments] */
static inline void NET_free_curves(int places, int units, int segments, int straight, const NET_real *ns, const NET_real *inverse,
                                   const NET_real *A, NET_real *n)
{
    for (int p = 0; p < places; p++)
        for (int k = 0; k < units; k++, n++) {
            const NET_real *q = ns + k * (segments + 1), *left;
            NET_real at = *n;
            int m = 0;
            if (!straight && at < q[0]) at = q[0];
            if (!straight && at > q[segments]) at = q[segments];
            for (int h = 1; h < segments; h++) m += at >= q[h];
            left = A + k * (segments + 1) + m;
            *n = left[0] + (at - q[m]) * inverse[k * segments + m] * (left[1] - left[0]);
        }
}

/* n[places][units] becomes its splines: cubics c[4][units][segments] of the position in each uniform segment, the highest power first */
static inline void NET_splines(int places, int units, int segments, const NET_real *first, const NET_real *inverse, const NET_real *c,
                               NET_real *n)
{
    int each = units * segments;
    for (int p = 0; p < places; p++)
        for (int k = 0; k < units; k++, n++) {
            NET_real t = NET_within((*n - first[k]) * inverse[k], segments);
            int m = NET_segment(t, segments), at = k * segments + m;
            NET_real u = t - (NET_real)m;
            *n = ((c[at] * u + c[each + at]) * u + c[2 * each + at]) * u + c[3 * each + at];
        }
}

/* n[places][units] becomes max(0, n) + sum over s of a[units][terms] max(0, b[units][terms] - n) */
static inline void NET_apl(int places, int units, int terms, const NET_real *a, const NET_real *b, NET_real *n)
{
    for (int p = 0; p < places; p++)
        for (int k = 0; k < units; k++, n++) {
            NET_real o = *n < 0 ? 0 : *n;
            for (int s = k * terms; s < (k + 1) * terms; s++)
                if (b[s] > *n) o += a[s] * (b[s] - *n);
            *n = o;
        }
}

/* n[count] becomes max(0, n) */
static inline void NET_relu(int count, NET_real *n)
{
    for (int k = 0; k < count; k++)
        if (n[k] < 0) n[k] = 0;
}

/* n[count] becomes max(n, 0.01 n) */
static inline void NET_leaky_relu(int count, NET_real *n)
{
    for (int k = 0; k < count; k++)
        if (n[k] < 0) n[k] *= (NET_real)0.01;
}

/* n[count] becomes 1 / (1 + exp(-n)) */
static inline void NET_sigmoid(int count, NET_real *n)
{
    for (int k = 0; k < count; k++) n[k] = 1 / (1 + exp(-n[k]));
}

/* n[count] becomes tanh n */
static inline void NET_tanh(int count, NET_real *n)
{
    for (int k = 0; k < count; k++) n[k] = tanh(n[k]);
}

/* n[count] bends at -c and c, with the slope alpha outside */
static inline void NET_plu(int count, NET_real alpha, NET_real c, NET_real *n)
{
    for (int k = 0; k < count; k++) {
        if (n[k] > c) n[k] = alpha * (n[k] - c) + c;
        if (n[k] < -c) n[k] = alpha * (n[k] + c) - c;
    }
}

/* n[high][wide][filters] of images x: thresholds[filters], and W[size[0]][size[1]][channels / groups][filters] */
static inline void NET_convolve(const NET_window *v, int filters, int groups, const NET_real *thresholds, const NET_real *W,
                                const NET_real *x, NET_real *restrict n)
{
    int inputs = v->channels / groups, outputs = filters / groups;
    for (int i = 0; i < v->high; i++)
        for (int j = 0; j < v->wide; j++, n += filters) {
            for (int f = 0; f < filters; f++) n[f] = thresholds[f];
            for (int a = 0; a < v->size[0]; a++)
                for (int b = 0; b < v->size[1]; b++) {
                    int row = i * v->stride[0] + a * v->dilation[0] - v->before[0];
                    int column = j * v->stride[1] + b * v->dilation[1] - v->before[1];
                    if (row < 0 || row >= v->height || column < 0 || column >= v->width) continue;
                    const NET_real *pixel = x + (row * v->width + column) * v->channels;
                    const NET_real *weights = W + (a * v->size[1] + b) * inputs * filters;
                    for (int g = 0; g < groups; g++)
                        for (int c = 0; c < inputs; c++)
                            for (int f = g * outputs; f < (g + 1) * outputs; f++)
                                n[f] += pixel[g * inputs + c] * weights[c * filters + f];
                }
        }
}

/* o[high][wide][channels] = x with a border of zeros */
static inline void NET_pad(const NET_window *v, const NET_real *x, NET_real *restrict o)
{
    for (int k = 0; k < v->high * v->wide * v->channels; k++) o[k] = 0;
    for (int i = 0; i < v->height; i++)
        for (int k = 0; k < v->width * v->channels; k++)
            o[((i + v->before[0]) * v->wide + v->before[1]) * v->channels + k] = x[i * v->width * v->channels + k];
}

/* o[high][wide][channels] = the largest number of each window of x */
static inline void NET_max_pool(const NET_window *v, const NET_real *x, NET_real *restrict o)
{
    for (int i = 0; i < v->high; i++)
        for (int j = 0; j < v->wide; j++, o += v->channels)
            for (int a = 0; a < v->size[0]; a++)
                for (int b = 0; b < v->size[1]; b++) {
                    const NET_real *pixel = x + ((i * v->stride[0] + a) * v->width + j * v->stride[1] + b) * v->channels;
                    for (int c = 0; c < v->channels; c++)
                        if ((a == 0 && b == 0) || pixel[c] > o[c]) o[c] = pixel[c];
                }
}

/* o[high][wide][channels] = the mean of each window of x */
static inline void NET_avg_pool(const NET_window *v, const NET_real *x, NET_real *restrict o)
{
    NET_real share = 1 / (NET_real)(v->size[0] * v->size[1]);
    for (int i = 0; i < v->high; i++)
        for (int j = 0; j < v->wide; j++, o += v->channels) {
            for (int c = 0; c < v->channels; c++) o[c] = 0;
            for (int a = 0; a < v->size[0]; a++)
                for (int b = 0; b < v->size[1]; b++) {
                    const NET_real *pixel = x + ((i * v->stride[0] + a) * v->width + j * v->stride[1] + b) * v->channels;
                    for (int c = 0; c < v->channels; c++) o[c] += pixel[c];
                }
            for (int c = 0; c < v->channels; c++) o[c] *= share;
        }
}

/* o[rows][columns][channels] = the means of windows of x[height][width][channels] that follow from the sizes */
static inline void NET_adaptive_pool(int height, int width, int channels, int rows, int columns, const NET_real *x,
                                     NET_real *restrict o)
{
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++, o += channels) {
            int top = i * height / rows, bottom = ((i + 1) * height + rows - 1) / rows;
            int left = j * width / columns, right = ((j + 1) * width + columns - 1) / columns;
            for (int c = 0; c < channels; c++) o[c] = 0;
            for (int a = top; a < bottom; a++)
                for (int b = left; b < right; b++)
                    for (int c = 0; c < channels; c++) o[c] += x[(a * width + b) * channels + c];
            for (int c = 0; c < channels; c++) o[c] /= (NET_real)((bottom - top) * (right - left));
        }
}

/* o[channels] = the mean over x[places][channels] */
static inline void NET_mean(int places, int channels, const NET_real *x, NET_real *restrict o)
{
    for (int c = 0; c < channels; c++) {
        o[c] = 0;
        for (int p = 0; p < places; p++) o[c] += x[p * channels + c];
        o[c] /= (NET_real)places;
    }
}

/* y[count] becomes exp(y) / sum of exp(y) */
static inline void NET_softmax(int count, NET_real *y)
{
    NET_real top = y[0], sum = 0;
    for (int k = 1; k < count; k++)
        if (y[k] > top) top = y[k];
    for (int k = 0; k < count; k++) sum += y[k] = exp(y[k] - top);
    for (int k = 0; k < count; k++) y[k] /= sum;
}

/* y[count] is held within low[count] and high[count] */
static inline void NET_bound(int count, const NET_real *low, const NET_real *high, NET_real *y)
{
    for (int k = 0; k < count; k++) {
        if (y[k] < low[k]) y[k] = low[k];
        if (y[k] > high[k]) y[k] = high[k];
    }
}

/* The place of the largest of y[count], of equal ones the first */
static inline int NET_largest(int count, const NET_real *y)
{
    int best = 0;
    for (int k = 1; k < count; k++)
        if (y[k] > y[best]) best = k;
    return best;
}
