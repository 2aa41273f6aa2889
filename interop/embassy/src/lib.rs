//! The tests in `tests/` dial on embassy-net's sockets, with the embedded face of towpath and its feature `embassy`.
