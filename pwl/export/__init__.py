"""Networks for other programs: an ONNX graph (`onnx`) or a header in C99 (`c`), which need neither Python nor pwl.

Both begin with `exported`, which checks what is asked for, and with `tables`, the numbers of a layer in the form in which they are
used. `onnx_layers` and `c_layers` have a function per kind of layer. `compiled` runs a header, so that it can be compared.
"""
