import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hnhub.encode.batches import token_budget_batches


@given(st.lists(st.integers(0, 600), max_size=200), st.integers(1, 2000))
def test_every_text_is_in_one_batch_and_batches_keep_to_the_budget(lengths, budget):
    batches = token_budget_batches(lengths, budget)
    assert sorted(np.concatenate([*batches, np.array([], int)])) == list(range(len(lengths)))
    for batch in batches:
        longest = max(max(lengths[i], 1) for i in batch)
        assert len(batch) == 1 or longest * len(batch) <= budget


def test_longest_first_and_equal_lengths_in_order():
    assert [list(batch) for batch in token_budget_batches([3, 9, 3, 9, 3], 18)] == [[1, 3], [0, 2, 4]]
