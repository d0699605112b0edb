"""Postings and scores as machine code.

A shard is a range of documents. A term's postings are `rows[starts[t]:starts[t + 1]]` (int32, within the shard,
ascending) and `values` beside them (float32): the term's frequency at first, its share of the score at last. A term
that many of the documents have is a row of `dense` instead (float32, one value a document): adding it up takes a
vector instruction for eight documents, and no more memory.
"""

# numba's types stand in the signatures; a kernel's arguments are its arrays.
# ruff: noqa: PLR0917
# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False

import numpy as np

from hnhub.bm25.jit import compiled

__all__ = ["count_terms", "finish", "invert", "score_pairs", "search", "weigh"]

_BLOCK = 1 << 12
"""Documents whose scores are added up together: 16 KiB, which stays in a core's nearest cache."""
_STRIDE = 32
_LOW = np.uint64(0xFFFFFFFF)
_1, _32 = np.uint64(1), np.uint64(32)


@compiled(
    "int64(int32[::1], int64[::1], int64[::1], int32[::1], int32[::1], int32[::1], uint16[::1], int64[::1], int32[::1])"
)
def count_terms(tokens, ends, starts, terms, last, out_terms, out_counts, out_ends, lengths):
    """Count each document's terms. `last` (-1 for each term) is scratch. Returns the number of postings written.

    Word w stands for `terms[starts[w]:starts[w + 1]]`. A count stops at 65,535, where the score no longer moves.
    """
    written = np.int32(0)
    token = 0
    for document in range(ends.size):
        first = written
        length = 0
        while token < ends[document]:
            word = tokens[token]
            token += 1
            for i in range(starts[word], starts[word + 1]):
                term = terms[i]
                if term < 0:
                    continue
                length += 1
                at = last[term]
                if at >= first:
                    if out_counts[at] < 65535:
                        out_counts[at] += np.uint16(1)
                else:
                    last[term] = written
                    out_terms[written] = term
                    out_counts[written] = 1
                    written += np.int32(1)
        out_ends[document] = written
        lengths[document] = length
    return written


@compiled(
    "int64(int32[::1], uint16[::1], int64[::1], int64, int64[::1], int32[::1], int32[::1], float32[::1], float32[:, ::1])"
)
def invert(terms, counts, ends, row, cursors, dense_rows, rows, values, dense):
    """Put a chunk's postings (documents `row`, `row + 1`, ...) where `cursors` says their terms' go on."""
    at = 0
    for i in range(ends.size):
        while at < ends[i]:
            term = terms[at]
            if dense_rows[term] >= 0:
                dense[dense_rows[term], row + i] = counts[at]
            else:
                cursor = cursors[term]
                rows[cursor] = row + i
                values[cursor] = counts[at]
                cursors[term] = cursor + 1
            at += 1
    return 0


@compiled(
    "int64(int64[::1], int32[::1], float32[::1], float32[:, ::1], int32[::1], float32[::1], float64[::1],"
    " float64, float64, float64, float64)"
)
def weigh(starts, rows, values, dense, dense_terms, idf, norms, k1, factor, shift, delta):
    """Turn frequencies into scores, in place: idf * (delta + factor * (x + shift) / (x + shift + k1)).

    x is the frequency over the document's `norms`, 1 - b + b * length / average length.
    """
    for term in range(starts.size - 1):
        for at in range(starts[term], starts[term + 1]):
            x = values[at] / norms[rows[at]] + shift
            values[at] = idf[term] * (delta + factor * x / (x + k1))
    for i in range(dense_terms.size):
        for row in range(dense.shape[1]):
            if dense[i, row] > 0:
                x = dense[i, row] / norms[row] + shift
                dense[i, row] = idf[dense_terms[i]] * (delta + factor * x / (x + k1))
    return 0


@compiled()
def _keep_largest(keys, count, k):
    """Move the k largest of `keys[:count]` to the front, the k-th to its place (Hoare's selection)."""
    low, high = 0, count - 1
    while low < high:
        a, b, c = keys[low], keys[(low + high) // 2], keys[high]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = low, high
        while i <= j:
            while keys[i] > pivot:
                i += 1
            while keys[j] < pivot:
                j -= 1
            if i <= j:
                keys[i], keys[j] = keys[j], keys[i]
                i += 1
                j -= 1
        if k - 1 <= j:
            high = j
        elif k - 1 >= i:
            low = i
        else:
            return


@compiled()
def _add_up(rows, values, dense, cursors, stops, dense_rows, weights, first, last, sums, begin, end):
    """Scores of the documents `begin` to `end` for the query of terms `first` to `last`, in the query's order."""
    for term in range(first, last):
        weight = weights[term]
        if dense_rows[term] >= 0:
            column = dense[dense_rows[term], begin:end]
            for i in range(column.size):
                sums[i] += weight * column[i]
        else:
            at, stop = np.uint64(cursors[term]), np.uint64(stops[term])
            while at < stop and rows[at] < end:
                sums[np.uint64(rows[at] - begin)] += weight * values[at]
                at += _1
            cursors[term] = at


@compiled()
def _first_floor(values, starts, stops, dense_rows, weights, first, last, k):
    """A floor to start from: the k-th share of the rarest term that k documents have, a little less than the k-th score.

    It holds as long as no term's share is negative.
    """
    chosen, fewest = -1, np.int64(1 << 62)
    for term in range(first, last):
        size = stops[term] - starts[term]
        if dense_rows[term] < 0 and k <= size < fewest:
            chosen, fewest = term, size
    if chosen < 0:
        return np.int32(0)
    shares = np.empty(fewest, np.float32)
    bits = shares.view(np.int32)
    keys = np.empty(fewest, np.uint64)
    for i in range(fewest):
        shares[i] = weights[chosen] * values[starts[chosen] + i]
        keys[i] = np.uint64(bits[i])
    _keep_largest(keys, fewest, k)
    return np.int32(np.int64(keys[k - 1]) - 1)


@compiled()
def _offer(bits, size, row, best, count, floor, k):
    """Put the scores over `floor` among `bits[:size]` into the query's best; returns their number and the new floor."""
    for stride in range(0, size, _STRIDE):
        part = bits[stride : stride + _STRIDE]
        highest = np.int32(0)
        for i in range(part.size):  # not _STRIDE: a constant gets unrolled instead of vectorised
            highest = max(highest, part[i])
        if highest <= floor:
            continue
        for i in range(_STRIDE):
            if part[i] > floor:
                best[count] = (np.uint64(part[i]) << _32) | (_LOW - np.uint64(row + stride + i))
                count += 1
                if count == best.size:
                    _keep_largest(best, count, k)
                    count = k
                    floor = np.int32(best[k - 1] >> _32)
    return count, floor


@compiled(
    "int64(int32[::1], float32[::1], float32[:, ::1], int64, int64, int64[::1], int64[::1], int32[::1], float32[::1],"
    " int64[::1], int64, uint64[:, ::1], int64[::1], int32[::1], boolean)"
)
def search(
    rows,
    values,
    dense,
    documents,
    first_row,
    cursors,
    stops,
    dense_rows,
    weights,
    ends,
    k,
    keys,
    counts,
    floors,
    positive,
):
    """Offer every document of a shard to each query's best, a block of documents after the other.

    Query q has the terms `ends[q - 1]:ends[q]` of `cursors` and `stops` (its postings), `dense_rows` and `weights`.
    `keys[q, :counts[q]]` holds its best so far, the k best among them: the score's bits (a positive float's order is
    its bits' order), then the row's complement, so that of equal scores the earlier document is the larger key.
    `positive`: no term has a negative weight. Only a score whose bits are over `floors[q]` gets in; later documents with equal scores would lose.
    """
    sums = np.zeros(_BLOCK + _STRIDE, np.float32)
    # Integers compare like the positive floats they are, a negative one is below them all, and the loop vectorises.
    bits = sums.view(np.int32)
    if positive:
        for query in range(ends.size):
            first = ends[query - 1] if query > 0 else 0
            floor = _first_floor(values, cursors, stops, dense_rows, weights, first, ends[query], k)
            floors[query] = max(floors[query], floor)
    for begin in range(0, documents, _BLOCK):
        end = min(begin + _BLOCK, documents)
        for query in range(ends.size):
            first = ends[query - 1] if query > 0 else 0
            _add_up(rows, values, dense, cursors, stops, dense_rows, weights, first, ends[query], sums, begin, end)
            counts[query], floors[query] = _offer(
                bits, end - begin, first_row + begin, keys[query], counts[query], floors[query], k
            )
            for i in range(end - begin):
                sums[i] = 0
    return 0


@compiled()
def _sort(keys, count):
    """Sort `keys[:count]`, largest first (Shell's sort: numpy's takes seconds to compile)."""
    gap = 1
    while gap < count // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, count):
            key, j = keys[i], i
            while j >= gap and keys[j - gap] < key:
                keys[j] = keys[j - gap]
                j -= gap
            keys[j] = key
        gap //= 3


@compiled("int64(uint64[:, ::1], int64[::1], int32[:, ::1], float32[:, ::1])")
def finish(keys, counts, ids, scores):
    """The best of each query, sorted: rows (the rest -1) and scores (the rest 0)."""
    k = ids.shape[1]
    score_bits = scores.view(np.uint32)
    for query in range(counts.size):
        best = keys[query]
        count = min(k, counts[query])
        if counts[query] > k:
            _keep_largest(best, counts[query], k)
        _sort(best, count)
        for i in range(count):
            key = best[i]
            ids[query, i] = np.int32(_LOW - (key & _LOW))
            score_bits[query, i] = np.uint32(key >> _32)
    return 0


@compiled(
    "int64(int32[::1], float32[::1], float32[:, ::1], int64[::1], int64[::1], int32[::1], float32[::1], int64[::1],"
    " int64[::1], float32[::1])"
)
def score_pairs(rows, values, dense, starts, stops, dense_rows, weights, ends, wanted, scores):
    """The score of one document (`wanted`, a row of the shard; -1 for none) for each query, laid out as in `search`."""
    for query in range(ends.size):
        if wanted[query] < 0:
            continue
        total = np.float32(0)
        for term in range(ends[query - 1] if query > 0 else 0, ends[query]):
            if dense_rows[term] >= 0:
                total += weights[term] * dense[dense_rows[term], wanted[query]]
                continue
            low, high = starts[term], stops[term]
            while low < high:
                middle = (low + high) // 2
                if rows[middle] < wanted[query]:
                    low = middle + 1
                else:
                    high = middle
            if low < stops[term] and rows[low] == wanted[query]:
                total += weights[term] * values[low]
        scores[query] = total
    return 0
