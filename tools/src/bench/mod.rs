//! `micronet bench`: how long requests take, how many pass, and what they cost.
#![allow(dead_code, reason = "the commands that fill it in come next")]

pub(crate) mod report;
