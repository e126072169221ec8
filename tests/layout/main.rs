//! The layout that the code has, and keeps: files, names, imports, and the clauses of SPEC.md that it quotes.

mod clauses;
mod imports;
mod names;
mod services;
mod source;
mod tasks;
