//! Nothing of its own: the tests in `tests/it` speak to the suite from outside.
