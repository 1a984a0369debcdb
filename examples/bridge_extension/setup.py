"""Builds the extensions. Needs voicecoil, setuptools and Cython.

python setup.py build_ext --inplace
"""

from Cython.Build import cythonize
from setuptools import Extension, setup

import voicecoil

include = [voicecoil.get_include()]
setup(
    name="bridge-extension",
    py_modules=[],
    ext_modules=[
        Extension("ticker", ["ticker.c"], include_dirs=include),
        *cythonize([Extension("counter", ["counter.pyx"], include_dirs=include)]),
    ],
)
