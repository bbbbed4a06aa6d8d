"""Imports what numpy and Pillow import only when a function needs it: a component has no files to import from at run time."""

import colorsys  # noqa: F401
import encodings.cp437  # noqa: F401
import zipfile  # noqa: F401

import numpy.char  # noqa: F401
import numpy.ctypeslib  # noqa: F401
import numpy.fft  # noqa: F401
import numpy.ma  # noqa: F401
import numpy.polynomial  # noqa: F401
import numpy.random  # noqa: F401
import numpy.rec  # noqa: F401
import numpy.strings  # noqa: F401
