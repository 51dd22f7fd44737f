//! What every Rust program costs: the start and the end of one.

fn main() {}
