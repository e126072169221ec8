//! Real networks of real processes on free ports, used as people use them: over HTTP, over the binary RPC and by the
//! `micronet` command.

mod toystore;
