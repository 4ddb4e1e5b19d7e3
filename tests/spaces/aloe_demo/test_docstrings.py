"""The app's modules are no part of the package, where pytest finds the examples in docstrings by itself."""

import doctest

import library
import safe
import understood


def test_the_examples_in_the_docstrings_are_true():
    for module in (library, safe, understood):
        assert doctest.testmod(module).failed == 0
        assert doctest.testmod(module).attempted
