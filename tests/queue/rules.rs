//! One rule after another.
