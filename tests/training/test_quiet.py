"""What libraries say that a user can do nothing about, or reads in a guide, is not shown."""

from __future__ import annotations

import warnings

from electralab.training.determinism import quiet_libraries


def test_what_a_marian_tokenizer_recommends_is_not_shown_but_other_warnings_are():
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        quiet_libraries()
        warnings.warn("Recommended: pip install sacremoses.", stacklevel=1)
        warnings.warn("something else", stacklevel=1)
    assert [str(warning.message) for warning in shown] == ["something else"]
