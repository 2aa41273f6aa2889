//! The face for microcontrollers.
